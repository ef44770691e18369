-- Frees the lock if the holder has it, and remembers that it did.
--
-- KEYS[1]  lock      string: the holder's id; expires with the lease
-- KEYS[2]  released  string: "1"; one key for each holder that released the
--                    lock, expiring when the released lease would have
-- ARGV[1]  holder's id
--
-- Returns 1, or 0 if the holder does not have the lock and did not release it
-- while its lease ran.
--
-- A client whose reply was lost asks again, and go-redis does so by itself. One
-- field for the last release would not do: by the time of the repeated question
-- the next holder may have come and gone. The memory is a key of its own, and not
-- an entry in a collection, so that the server forgets it in time by itself.
--
-- DEL comes first because it is allowed when memory has run out, and once a
-- script has written, Redis lets it go on: a full server does not keep a lock.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.call('EXISTS', KEYS[2])
end
local lease = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
if lease > 0 then
  redis.call('SET', KEYS[2], '1', 'PX', lease)
end
return 1
