-- Gives the lock to a holder if the lock is free and nobody waits for it, or if the holder
-- already has it. Otherwise queues the holder, if it can be woken; a free lock then goes to
-- the first holder in the queue.
--
-- KEYS[1]  lock   string: the holder's id; expires with the lease
-- KEYS[2]  queue  sorted set: see queue.lua
-- KEYS[3]  fence  string: the last token
-- ARGV[1]  holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  "p" or missing: do not queue, because the holder cannot be woken
--          "t": take the lock if it is free, even if others wait, and do not queue
--          "q": queue
--          "u": queue, and count the subscribers of the holder's channel
-- ARGV[4]  the member of the queue that the holder is or would be: "<lease when woken>
--          <channel> <holder's id>"; "" or missing if it is not queued and cannot be woken
-- ARGV[5]  the claim: the holder's id with the attempt that distinguishes its acquisitions;
--          missing if it is the holder's id alone
--
-- Returns "g<token>" for a new grant, "r<token>" if the holder already had the lock,
-- "q<ms>" or "u<ms>" if it is queued (see standing), "p" if it is not, and "n" if the
-- request arrives after its claim was released.
--
-- The lock is written before the fence: if there is no memory, nothing has changed. If the
-- fence cannot be written, the lock is freed again, so an error never leaves half a grant.
-- If the lock is free, the script ends below, because creating the functions of queue.lua
-- costs the server time. A refusal is a string, not nil: when go-redis repeats a pipeline and
-- the second attempt fails, a nil from the first attempt would still count as the reply.
local waits = redis.call('EXISTS', KEYS[2]) == 1
local set = not waits and redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if set and set.err and not string.find(set.err, 'OOM ', 1, true) then
  return set -- if memory has run out, a holder may still extend its lease
elseif set and set.ok then
  local token, failed = newToken()
  if not token then
    redis.call('DEL', KEYS[1])
    return failed
  end
  return 'g' .. token
end
