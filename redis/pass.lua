-- Hands the lock from one holder to the next, or to those who wait in the queue.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- KEYS[3]  released  string: the next holder has released an earlier grant
-- KEYS[4]  queue  sorted set: those who wait
-- KEYS[5]  passed   string: the holder has released this grant
-- ARGV[1]  next holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  life of the fence, in whole milliseconds
-- ARGV[4]  how long the fence outlives the lease, in whole milliseconds
-- ARGV[5]  the next holder in the queue: "<lease when told> <channel> <id>"; ""
--          if it neither is there nor can be put there
-- ARGV[6]  life of the queue, in whole milliseconds; "" if the next holder
--          cannot be told and must not be in the queue
-- ARGV[7]  holder's id
-- ARGV[8]  "1" if those in the queue come first
--
-- Returns "g<token>" if the next holder has the lock, "q<remaining lease in ms>
-- <server's time in microseconds>" if another has it and the next one is in the
-- queue, "n" if it is in no queue and the lock is another's or free, because the holder
-- yields, or asks again and the next one has let go; or "" if the lock was not the
-- holder's to give.
--
-- If the next holder cannot be told, others may be in the same case, and poll: to
-- yield is then to free the lock.
--
-- A client whose reply was lost asks again. The memory of a release tells of the
-- first time. That the lock is the next holder's does not: it may have it from
-- another, who took the lock when the server had lost it.
local lock, fence, released, queue, passed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local lease, life, afterlife, member = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local to, from, yields = ARGV[1], ARGV[7], ARGV[8] == '1'
local told = ARGV[6] ~= ''

local function forget()
  if redis.call('PTTL', lock) > 0 then
    redis.call('RENAME', lock, passed)
  else
    redis.call('DEL', lock)
  end
end

local owner = redis.call('GET', lock)
if owner == to and (from == to or redis.call('EXISTS', passed) == 1) then
  if member ~= '' then
    redis.call('ZREM', queue, member)
  end
  local token, failed = recognize(lock, fence, to, lease, life)
  return token and 'g' .. token or failed
end
if owner ~= from then
  if owner == to or redis.call('EXISTS', passed) == 0 then
    return ''
  end
  return yields and told and redis.call('ZSCORE', queue, member) and standing(lock, redis.call('TIME')) or 'n'
end

if yields and (not told or redis.call('ZCARD', queue) > 0) then
  local now = redis.call('TIME')
  forget() -- first: it is allowed when memory has run out
  if told then
    redis.call('ZADD', queue, 'NX', string.format('%d%06d', now[1], now[2]), member)
    redis.call('PEXPIRE', queue, ARGV[6])
    redis.call('DEL', released)
  elseif member ~= '' then
    redis.call('ZREM', queue, member)
  end
  local first, token = grantNext(lock, fence, queue, afterlife, to, lease)
  if first == to then
    return 'g' .. token
  elseif not told then
    return 'n'
  elseif first then
    return standing(lock, now)
  end
end

local token, failed = renew(fence, to, life)
if not token and string.find(failed.err, 'OOM', 1, true) then
  -- A script that has written may go on, and a full server should not keep a lock.
  redis.call('PEXPIRE', lock, lease)
  token, failed = renew(fence, to, life)
end
if not token then
  return failed
end
if member ~= '' then
  redis.call('ZREM', queue, member)
end
forget()
redis.call('DEL', released)
redis.call('SET', lock, to, 'PX', lease)
return 'g' .. token
