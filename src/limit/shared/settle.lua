-- (Behind guard.lua.) What became of an attempt.
-- KEYS: rates to give it back to, then accounts. ARGV: now (-1 for this server's clock), number of rates, outcome (failure,
-- success or none), then for each rate: interval, TAT when it was taken, then for each account its rule, and of the attempt:
-- time, epoch.
local rates, outcome = tonumber(ARGV[2]), ARGV[3]
for i = 1, rates do
  local back = math.min(tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i]) - now)
  local tat = tonumber(redis.call('GET', KEYS[i]) or 0)
  if back > 0 and tat > now then
    tat = tat - back
    if tat <= now then
      redis.call('DEL', KEYS[i])
    else
      redis.call('SET', KEYS[i], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    end
  end
end
for i = rates + 1, #KEYS do
  local a = 4 + 2 * rates + 8 * (i - rates - 1)
  local rule = rule_at(a)
  local at, epoch = tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])
  local state = load_state(KEYS[i], rule)
  local place
  for p, time in ipairs(state.times) do
    if time == at then
      place = p
      break
    end
  end
  if place then table.remove(state.times, place) end
  if outcome == 'failure' then
    if not place or epoch ~= state.epoch then state.row = state.row + 1 end
    state.times[#state.times + 1] = now
    state.last = now
    local wait = wait_of(rule, state.row)
    if wait > 0 then state.till = math.max(state.till, now + wait) end
  elseif outcome == 'success' then
    state.row, state.till, state.epoch = 0, 0, (state.epoch + 1) % 1000000
  elseif place and epoch == state.epoch and state.row > 0 then
    state.row = state.row - 1
    local wait, newest = wait_of(rule, state.row), state.times[#state.times]
    if wait == 0 then
      state.till = 0
    elseif newest then
      state.till = math.min(state.till, newest + wait)
    end
  end
  save_state(KEYS[i], rule, state)
end
return 1
