-- Makes the lease of the holder run anew.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  life of the fence, in whole milliseconds
--
-- Returns 1, or 0 if the holder does not have the lock; then nothing changed.
--
-- The fence is prolonged with the lock: a lock that is held for longer than the
-- fence lives must still be followed by a higher token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
