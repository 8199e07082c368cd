-- One GCRA event in every counter, or in none. Times in microseconds.
-- KEYS: counters. ARGV: now (-1 for this server's clock), then for each counter: interval, tolerance (-1: nothing).
-- Answer: allowed, now, then for each counter its TAT afterwards.
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local answer = { 1, now }
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = tonumber(redis.call('GET', key) or now)
  -- Never in the past, and never beyond what this rate can have counted: the rate may have changed.
  tat = math.min(math.max(tat, now), now + math.max(tolerance, 0) + interval)
  if tat - tolerance > now then answer[1] = 0 end
  answer[i + 2] = tat
end
if answer[1] == 1 then
  for i, key in ipairs(KEYS) do
    local tat = answer[i + 2] + tonumber(ARGV[2 * i])
    answer[i + 2] = tat
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
  end
end
return answer
