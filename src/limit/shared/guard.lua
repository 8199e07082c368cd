-- What one account may fail; src/limit/guard.rs says why, and does the same. Times in microseconds.
-- A state is text: row, until, epoch, last, then the times of the failures of the last 24 hours.
local DAY = 86400000000
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function rule_at(a)
  return {
    free = tonumber(ARGV[a]), delay = tonumber(ARGV[a + 1]), longest = tonumber(ARGV[a + 2]),
    per_day = tonumber(ARGV[a + 3]), blocks = ARGV[a + 4] == '1', memory = tonumber(ARGV[a + 5]),
  }
end

local function wait_of(rule, row)
  if row < rule.free then return 0 end
  return math.min(rule.longest, rule.delay * 2 ^ math.min(row - rule.free, 41))
end

local function load_state(key, rule)
  local numbers = {}
  for number in string.gmatch(redis.call('GET', key) or '', '%d+') do numbers[#numbers + 1] = tonumber(number) end
  local state = {
    row = numbers[1] or 0, till = numbers[2] or 0, epoch = numbers[3] or 0, last = numbers[4] or 0, times = {},
  }
  for i = 5, #numbers do
    if numbers[i] + DAY > now then state.times[#state.times + 1] = numbers[i] end
  end
  -- Never beyond what this rule can have said: it may have changed.
  state.till = math.min(state.till, now + rule.longest)
  local served = rule.blocks and state.till ~= 0 and state.till <= now
  if served or state.last + rule.memory <= now then state.row, state.till = 0, 0 end
  return state
end

local function save_state(key, rule, state)
  if state.row == 0 and #state.times == 0 then
    redis.call('DEL', key)
    return
  end
  local texts = {}
  for _, number in ipairs({ state.row, state.till, state.epoch, state.last }) do
    texts[#texts + 1] = string.format('%.0f', number)
  end
  for _, at in ipairs(state.times) do texts[#texts + 1] = string.format('%.0f', at) end
  local expires = math.max(state.till, state.last + rule.memory)
  redis.call('SET', key, table.concat(texts, ' '), 'PX', math.max(1, math.ceil((expires - now) / 1000)))
end
