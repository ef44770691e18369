-- Gives the lock to a holder if it is free and nobody waits for it, or if the holder
-- has it. Otherwise it queues the holder, if it can be woken. If the lock is free, it
-- goes to the first in the queue.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  queue  sorted set: see queue.lua
-- KEYS[3]  fence  string: the last token
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  "p", or missing: do not queue, the holder cannot be woken
--          "t": take the lock if it is free, whoever waits, and do not queue
--          "q": queue
--          "u": queue, and count the subscribers of the holder's channel
-- ARGV[4]  how the holder stands in the queue, or would: "<lease when woken>
--          <channel> <holder's id>"; "" or missing if it is not in it and cannot be woken
-- ARGV[5]  the claim: the holder's id and what tells apart its acquisitions; missing if
--          that is the holder's id alone
--
-- Returns "g<token>" for a new grant, "r<token>" if the holder had the lock,
-- "q<ms>" or "u<ms>" if it is queued (see standing), "p" if it is not, and "n" for a
-- request that arrives after its claim was released.
--
-- The lock is written before the fence: if there is no memory, nothing has changed. If the
-- fence cannot be written the lock is freed again, so that an error never leaves half
-- a grant. What follows this header is all that runs for a lock that is free: functions
-- cost the server time when they are made. A refusal is not nil: when a pipeline is repeated, go-redis lets a nil of
-- the first time outlive the failure of the second.
local waits = redis.call('EXISTS', KEYS[2]) == 1
local set = not waits and redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if set and set.err and not string.find(set.err, 'OOM ', 1, true) then
  return set -- when memory has run out, a holder may still extend its lease
elseif set and set.ok then
  local token, failed = newToken()
  if not token then
    redis.call('DEL', KEYS[1])
    return failed
  end
  return 'g' .. token
end
