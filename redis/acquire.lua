-- Gives the lock to a holder, or recognizes the holder that has it.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- KEYS[3]  released  string: the holder has released an earlier grant
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  life of the fence, in whole milliseconds
--
-- Returns the fencing token as a string, or nil if another holder has the lock.
--
-- GET and then SET is what SET NX does, since nothing runs between the lines of
-- a script; but a refused holder costs one read, and everything that can fail
-- (a key of another type) fails before the first write, so that an error never
-- leaves half a grant. For the same reason the lock, which needs memory, is
-- written first: if there is none, nothing has changed.
--
-- The token is a string because a Lua number reaches the client cut down to an
-- integer of Redis's choosing; as a double it is exact below 2^53, which
-- microseconds since 1970 reach in the year 2255.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return false
end

local last, owner = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (.*)$')
local token = last
if not (holder and owner == holder) then
  local now = redis.call('TIME')
  token = string.format('%.0f', math.max((tonumber(last) or 0) + 1, now[1] * 1000000 + now[2]))
end

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], token .. ' ' .. ARGV[1], 'PX', ARGV[3])
if token ~= last then
  redis.call('DEL', KEYS[3]) -- what was released is not this grant
end
return token
