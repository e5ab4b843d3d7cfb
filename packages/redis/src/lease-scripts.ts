import { Script } from './script.ts'

/*
 * A group's leases of one stream are a hash: field `<partition>:<priority>`, value `<epoch> <clean> <in doubt> <owner>`.
 * Its members are a hash too: field the member, value `<expires at, ms> <what it reads>`. Times are the server's.
 */

const common = `
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function alive(members, member, now)
  local row = member ~= '' and redis.call('HGET', members, member)
  return row and tonumber(string.match(row, '^%d+')) > now
end
local function lease_of(leases, field)
  local row = redis.call('HGET', leases, field)
  if not row then return '0', '1', '-', '' end
  return string.match(row, '^(%d+) (%d) (%S+) (.*)$')
end
local function changed(key)
  redis.call('XADD', key, 'MAXLEN', 1, '*', 'changed', 1)
end
`

/** KEYS members leases changes; ARGV member, its reads, lease ms. Gives `[members], [leases]` as flat lists; of a member what is left of its lease. */
export const beatScript: Script = new Script(`${common}
local now = now_ms()
local isNew = not alive(KEYS[1], ARGV[1], now)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now + tonumber(ARGV[3]), ARGV[2]))
if isNew then changed(KEYS[3]) end
local members = {}
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  local expires, reads = string.match(rows[i + 1], '^(%d+) (.*)$')
  local left = tonumber(expires) - now
  if left > 0 then
    members[#members + 1] = rows[i]
    members[#members + 1] = left .. ' ' .. reads
  elseif left < -60000 then
    redis.call('HDEL', KEYS[1], rows[i])
  end
end
return { members, redis.call('HGETALL', KEYS[2]) }
`)

/**
 * KEYS members leases; ARGV member, then field and epoch of each. Gives field, epoch, clean and what is in doubt of each that was taken.
 * Epochs begin with the time: a server that has lost its last second does not give one twice.
 */
export const claimScript: Script = new Script(`${common}
local now = now_ms()
if not alive(KEYS[1], ARGV[1], now) then return {} end
local claimed = {}
for i = 2, #ARGV, 2 do
  local epoch, clean, doubt, owner = lease_of(KEYS[2], ARGV[i])
  if epoch == ARGV[i + 1] and (owner == ARGV[1] or not alive(KEYS[1], owner, now)) then
    local fence = string.format('%.0f', math.max(tonumber(epoch) + 1, now))
    redis.call('HSET', KEYS[2], ARGV[i], fence .. ' 0 - ' .. ARGV[1])
    claimed[#claimed + 1] = { ARGV[i], fence, clean, doubt }
  end
end
return claimed
`)

/** KEYS leases changes; ARGV member, field, epoch, what is in doubt. The row's epoch grows, so that nothing sent by the old one counts. */
export const releaseScript: Script = new Script(`${common}
local epoch, _, _, owner = lease_of(KEYS[1], ARGV[2])
if epoch ~= ARGV[3] or owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f 1 %s ', tonumber(epoch) + 1, ARGV[4]))
changed(KEYS[2])
return 1
`)

/** KEYS members changes; ARGV member. */
export const leaveScript: Script = new Script(`${common}
redis.call('HDEL', KEYS[1], ARGV[1])
changed(KEYS[2])
return 1
`)
