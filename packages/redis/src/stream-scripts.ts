import { Script } from './script.ts'

/** KEYS identity; ARGV a new one. Gives the one that is stored. */
export const identityScript: Script = new Script(`
redis.call('SETNX', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])
`)

/** KEYS meta; ARGV partitions. Gives the number that the first declaration stored. */
export const declareScript: Script = new Script(`
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[1])
return redis.call('HGET', KEYS[1], 'partitions')
`)

/**
 * Registers a group with all lanes of a stream at once: what is published from then on belongs to it. A group that is registered and has
 * no place in a lane has lost it with the lane: it begins at 0 there, never silently at the latest.
 * KEYS meta, lanes; ARGV partitions, group, where a new group starts.
 * Gives the number of partitions that is stored, whether the group was known, and in how many lanes it had no place.
 */
export const registerScript: Script = new Script(`
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[1])
local stored = redis.call('HGET', KEYS[1], 'partitions')
if stored ~= ARGV[1] then return { stored, 0, 0 } end
local known = redis.call('HEXISTS', KEYS[1], 'group ' .. ARGV[2]) == 1
local made = 0
for i = 2, #KEYS do
  local answer = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[2], known and '0' or ARGV[3], 'MKSTREAM')
  if not answer.err then made = made + 1
  elseif string.sub(answer.err, 1, 9) ~= 'BUSYGROUP' then return redis.error_reply(answer.err) end
end
if not known then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'group ' .. ARGV[2], time[1])
end
return { stored, known and 1 or 0, made }
`)

/**
 * Trims a lane to what is younger than the retention, and never what a registered group has not read or not settled.
 * KEYS meta lane; ARGV retention ms. Gives how many entries were trimmed.
 */
export const trimScript: Script = new Script(`
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end
local function earlier(one, other)
  local ms, sequence = parts(one)
  local otherMs, otherSequence = parts(other)
  return ms < otherMs or (ms == otherMs and sequence < otherSequence)
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local floor = string.format('%.0f-0', math.max(0, now - tonumber(ARGV[1])))
local there = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
  local field = {}
  for i = 1, #group, 2 do field[group[i]] = group[i + 1] end
  there[field.name] = true
  local place = field['last-delivered-id']
  if field.pending > 0 then place = redis.call('XPENDING', KEYS[2], field.name)[2] end
  if earlier(place, floor) then floor = place end
end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local group = string.match(name, '^group (.*)$')
  if group and not there[group] then return 0 end
end
return redis.call('XTRIM', KEYS[2], 'MINID', '~', floor)
`)
