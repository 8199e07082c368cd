-- (Behind guard.lua.) One attempt, counted by every rate and for every account, or by none.
-- KEYS: rates, then accounts. ARGV: now (-1 for this server's clock), number of rates, then for each rate: interval,
-- tolerance (-1: nothing), then for each account its rule.
-- Answer: allowed, now, then for each rate: whether it had room, its TAT afterwards, then for each account: allowed, day, wait, row, count,
-- reset, epoch.
local rates = tonumber(ARGV[2])
local allowed = 1
local tats, rooms, standings = {}, {}, {}
for i = 1, rates do
  local interval, tolerance = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local tat = tonumber(redis.call('GET', KEYS[i]) or now)
  -- As in take.lua.
  tat = math.min(math.max(tat, now), now + math.max(tolerance, 0) + interval)
  rooms[i] = tat - tolerance <= now and 1 or 0
  if rooms[i] == 0 then allowed = 0 end
  tats[i] = tat
end
for i = rates + 1, #KEYS do
  local rule = rule_at(3 + 2 * rates + 6 * (i - rates - 1))
  local state = load_state(KEYS[i], rule)
  local wait, day = 0, 0
  local oldest = state.times[#state.times - rule.per_day + 1]
  if state.till > now then
    wait = state.till - now
  elseif #state.times >= rule.per_day then
    wait, day = oldest + DAY - now, 1
  end
  if wait > 0 then allowed = 0 end
  standings[#standings + 1] = { rule = rule, state = state, wait = wait, day = day, key = KEYS[i] }
end
local answer = { allowed, now }
for i = 1, rates do
  if allowed == 1 then
    tats[i] = tats[i] + tonumber(ARGV[1 + 2 * i])
    redis.call('SET', KEYS[i], string.format('%.0f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000))
  end
  answer[#answer + 1] = rooms[i]
  answer[#answer + 1] = tats[i]
end
for _, one in ipairs(standings) do
  local state = one.state
  if allowed == 1 then
    state.row = state.row + 1
    state.times[#state.times + 1] = now
    state.last = now
    local wait = wait_of(one.rule, state.row)
    state.till = wait == 0 and 0 or now + wait
    save_state(one.key, one.rule, state)
  end
  local newest = #state.times > 0 and state.times[#state.times] + DAY or 0
  local reset = math.max(0, math.max(newest, state.till) - now)
  local free = one.wait == 0 and 1 or 0
  for _, number in ipairs({ free, one.day, one.wait, state.row, #state.times, reset, state.epoch }) do
    answer[#answer + 1] = number
  end
end
return answer
