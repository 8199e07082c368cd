-- One GCRA event in every counter, or in none. Times in microseconds.
-- KEYS: counters. ARGV: now (-1 for this server's clock), then for each counter: interval, tolerance (-1: nothing),
-- whether it can refuse (1) or only counts (0).
-- Answer: now, then for each counter: whether it had room, whether it took the event, its TAT afterwards.
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local answer = { now }
local passes = true
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local tat = tonumber(redis.call('GET', key) or now)
  -- Never in the past, and never beyond what this rate can have counted: the rate may have changed.
  tat = math.min(math.max(tat, now), now + math.max(tolerance, 0) + interval)
  local room = tat - tolerance <= now
  if not room and ARGV[3 * i + 1] == '1' then passes = false end
  answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = room and 1 or 0, 0, tat
end
if passes then
  for i, key in ipairs(KEYS) do
    if answer[3 * i - 1] == 1 then
      local tat = answer[3 * i + 1] + tonumber(ARGV[3 * i - 1])
      answer[3 * i], answer[3 * i + 1] = 1, tat
      redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    end
  end
end
return answer
