import { Script } from './script.ts'

/** As scripts say that the lease is another's by now. */
export const fenced = 'FENCED'

const fence = `
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row or string.sub(row, 1, #ARGV[2] + 1) ~= ARGV[2] .. ' ' then
  return redis.error_reply('${fenced} the partition has another owner')
end
`

/**
 * Reads what nobody in the group has had. In a script, as it has to be fenced: what an owner of yesterday still reads would be pending
 * with it, unknown to the owner of today, who would read on past it.
 * KEYS leases stream; ARGV field, epoch, group, consumer, count, most bytes, whether the place is asked for.
 * Gives the entries, whether there may be more, and the group's place where it is asked for.
 */
export const fetchScript: Script = new Script(`${fence}
local entries, bytes, more = {}, 0, 0
local count = tonumber(ARGV[5])
while true do
  local step = math.min(16, count - #entries)
  local got = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', step, 'STREAMS', KEYS[2], '>')
  local page = got and got[1][2] or {}
  for _, entry in ipairs(page) do
    entries[#entries + 1] = entry
    for _, part in ipairs(entry[2]) do bytes = bytes + #part end
  end
  if #page < step then break end
  if #entries >= count or bytes >= tonumber(ARGV[6]) then more = 1; break end
end
local place = ''
if ARGV[7] == '1' and #entries == 0 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
    local name, last
    for i = 1, #group, 2 do
      if group[i] == 'name' then name = group[i + 1] elseif group[i] == 'last-delivered-id' then last = group[i + 1] end
    end
    if name == ARGV[3] then place = last end
  end
end
return { entries, more, place }
`)

/**
 * Takes over what is pending with owners before, in order, a page at a time, and forgets those who have nothing any more.
 * KEYS leases stream; ARGV field, epoch, group, consumer, after which id, count.
 * Gives the entries, the last id looked at, how many were pending, and how many of the page are gone from the stream.
 */
export const takeOverScript: Script = new Script(`${fence}
local start = ARGV[5] == '' and '-' or '(' .. ARGV[5]
local pending = redis.call('XPENDING', KEYS[2], ARGV[3], start, '+', ARGV[6])
local ids = {}
for i, one in ipairs(pending) do ids[i] = one[1] end
local entries = {}
if #ids > 0 then entries = redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, unpack(ids)) end
if #ids < tonumber(ARGV[6]) then
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[2], ARGV[3])) do
    local name, left
    for i = 1, #consumer, 2 do
      if consumer[i] == 'name' then name = consumer[i + 1] elseif consumer[i] == 'pending' then left = consumer[i + 1] end
    end
    if name ~= ARGV[4] and left == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[2], ARGV[3], name) end
  end
end
return { entries, ids[#ids] or '', #ids, #ids - #entries }
`)

/** KEYS leases stream; ARGV field, epoch, group, ids. */
export const ackScript: Script = new Script(`${fence}
return redis.call('XACK', KEYS[2], ARGV[3], unpack(ARGV, 4))
`)
