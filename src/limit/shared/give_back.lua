-- Gives one GCRA event back to every counter, as far as time has not. Times in microseconds.
-- KEYS: counters. ARGV: now (-1 for this server's clock), then for each counter: interval, TAT when it was taken.
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
for i, key in ipairs(KEYS) do
  local back = math.min(tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]) - now)
  local tat = tonumber(redis.call('GET', key) or 0)
  if back > 0 and tat > now then
    tat = tat - back
    if tat <= now then
      redis.call('DEL', key)
    else
      redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
    end
  end
end
return 1
