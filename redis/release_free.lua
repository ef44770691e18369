-- Frees the lock if the holder has it, reserves it for the first waiter in the queue, and
-- remembers the release. A holder that does not have the lock leaves the queue.
--
-- KEYS[1]  lock      string: the holder's id; expires with the lease
-- KEYS[2]  queue     sorted set: see queue.lua
-- KEYS[3]  released  string: the last release of this lock by the client
-- ARGV[1]  holder's id
-- ARGV[2]  how long to remember the release, in whole milliseconds; 6 s if missing, not at
--          all if ""
-- ARGV[3]  the holder's member of the queue; "" or missing if it is not queued
-- ARGV[4]  the claim: the holder's id with the attempt that distinguishes its acquisitions;
--          missing if it is the holder's id alone
-- ARGV[5]  "1" if a request of the claim has no reply, and must be refused if it arrives
--          later
--
-- Returns "y" if the holder had the lock, "e" if the claim was released or passed on
-- earlier, or the holder's lock was released under any claim, or "n" otherwise.
--
-- The remembered release answers a client that asks again because a reply was lost. Each
-- client has one key for it, and uses another while a release has no answer. A key for each
-- release was rejected: overwriting a key costs the server a third of what a new one does.
-- Once a script has written, Redis lets it continue, so a full server holds up neither a
-- release nor the waiters for that lock. If nobody waits, the script ends below.
local waits = redis.call('EXISTS', KEYS[2]) == 1
if not waits and #ARGV == 1 and redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[3], ARGV[1], 'PX', '6000')
  return 'y'
end
