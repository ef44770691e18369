-- Makes the holder's lease start again from now.
--
-- KEYS[1]  lock  string: the holder's id; expires with the lease
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
--
-- Returns "y", or "n" if the holder does not have the lock. In that case nothing changes.
--
-- It touches only one key, so it works while the key's slot is being moved.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'n'
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'y'
