-- Frees the lock if the holder has it, and remembers that it did. The first in
-- the queue gets it. A holder that does not have the lock leaves the queue.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  fence  string: "<last token> <who got it>"; outlives the lease
-- KEYS[3]  released  string: one key for each holder that released the lock,
--          expiring when the released lease would have
-- KEYS[4]  queue  sorted set: those who wait
-- ARGV[1]  holder's id
-- ARGV[2]  the holder in the queue, "" if it does not wait
-- ARGV[3]  how long the fence outlives the lease, in whole milliseconds
--
-- Returns 1, or 0 if the holder does not have the lock and did not release it
-- while its lease ran.
--
-- A client whose reply was lost asks again, and go-redis does so by itself. One
-- field for the last release would not do: by the time of the repeated question
-- the next holder may have come and gone. The memory is a key of its own, and not
-- an entry in a collection, so that the server forgets it in time by itself.
--
-- The lock becomes that memory by RENAME, which keeps what is left of the lease
-- and is allowed when memory has run out. Once a script has written, Redis lets it
-- go on: a full server does not keep a lock, nor those who wait for it.
local lock, fence, released, queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if ARGV[2] ~= '' then
  redis.pcall('ZREM', queue, ARGV[2])
end
if redis.call('GET', lock) ~= ARGV[1] then
  return redis.call('EXISTS', released)
end
if redis.call('PTTL', lock) > 0 then
  redis.call('RENAME', lock, released)
else
  redis.call('DEL', lock) -- a foreign lock without an expiry
end
grantNext(lock, fence, queue, ARGV[3])
return 1
