-- Gives the lock to a holder, or recognizes the holder that has it.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- KEYS[3]  released  string: the holder has released an earlier grant
-- KEYS[4]  queue  sorted set: those who wait; only for a holder that lets them
--                 go first
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  life of the fence, in whole milliseconds
--
-- Returns the fencing token as a string, or "" if another holder has the lock, or
-- "w" if somebody waits, whoever has it.
--
-- The lock is written first: if there is no memory, nothing has changed. If the
-- fence cannot be written the lock is freed again, so that an error never leaves
-- half a grant.
--
-- A refusal is not nil: when a pipeline is repeated, go-redis lets a nil of the first
-- time outlive the failure of the second.
if KEYS[4] and redis.call('EXISTS', KEYS[4]) == 1 then
  return 'w'
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local token, failed = renew(KEYS[2], ARGV[1], ARGV[3])
  if not token then
    redis.call('DEL', KEYS[1])
    return failed
  end
  redis.call('DEL', KEYS[3]) -- what was released is not this grant
  return token
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return ''
end
local token, failed = recognize(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
return token or failed
