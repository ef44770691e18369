-- Gives the lock to a holder if it is free and nobody is before it, and else puts
-- the holder in the queue. If the lock is free, the first in the queue gets it.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- KEYS[3]  released  string: the holder has released an earlier grant
-- KEYS[4]  queue  sorted set: those who wait
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  life of the fence, in whole milliseconds
-- ARGV[4]  how long the fence outlives the lease, in whole milliseconds
-- ARGV[5]  the holder in the queue: "<lease when told> <channel> <holder's id>"
-- ARGV[6]  life of the queue, in whole milliseconds; "" if the holder cannot be
--          told and must not be in the queue
--
-- Returns "g<token>" if the holder has the lock, "q<remaining lease in ms>
-- <server's time in microseconds>" if it is in the queue, or "n" if it has neither.
--
-- One who asks again keeps its place. The queue lives for as long as somebody
-- asks: when all have died, the server forgets it by itself.
local lock, fence, released, queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local holder, lease, life, afterlife, member = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local told = ARGV[6] ~= ''

local owner = redis.call('GET', lock)
if owner == holder or not told then
  redis.call('ZREM', queue, member)
end
if owner == holder then
  local token, failed = recognize(lock, fence, holder, lease, life)
  return token and 'g' .. token or failed
end

local now = redis.call('TIME')
if told and (owner or redis.call('ZCARD', queue) > 0) then
  if redis.call('ZADD', queue, 'NX', string.format('%d%06d', now[1], now[2]), member) == 1 then
    redis.call('DEL', released) -- what was released is not the grant that is waited for
  end
  redis.call('PEXPIRE', queue, ARGV[6])
end
if not owner then
  local first, token = grantNext(lock, fence, queue, afterlife, holder, lease)
  if first == holder then
    return 'g' .. token
  end
  if not first then
    local failed
    token, failed = renew(fence, holder, life)
    if not token then
      return failed
    end
    redis.call('SET', lock, holder, 'PX', lease)
    redis.call('DEL', released)
    return 'g' .. token
  end
end
return told and standing(lock, now) or 'n'
