-- Hands the lock from its holder to the next one, or to the waiters in the queue.
--
-- KEYS[1]  lock      string: the holder's id; expires with the lease
-- KEYS[2]  queue     sorted set: see queue.lua
-- KEYS[3]  fence     string: the last token
-- KEYS[4]  released  string: the last release of this lock by the client
-- ARGV[1]  next holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  holder's id
-- ARGV[4]  "q" if the next holder may be queued, "p" or missing if it cannot be woken
-- ARGV[5]  the member of the queue that the next holder is or would be; "" or missing if it
--          is not queued and cannot be woken
-- ARGV[6]  the next holder's claim: its id with the attempt that distinguishes its
--          acquisitions; missing if it is the id alone
-- ARGV[7]  the same for the holder
-- ARGV[8]  "1" if the waiters in the queue come first
-- ARGV[9]  "1" if a request of the holder's claim has no reply, and must be refused if it
--          arrives later
--
-- Returns "g<token>" or "r<token>" if the next holder has the lock, "q<ms>" if another
-- holder has it and the next one is queued, "p" if it was freed and the next holder is not
-- queued, or "n" if the holder did not have it.
--
-- If the next holder cannot be woken, other processes may poll for the same reason. The lock
-- must then be freed to let them come first.
--
-- A client whose reply was lost asks again. The record of the handover names the next
-- holder, and so distinguishes a repeated request from a release of the lock by somebody
-- else. If the queue is empty, the script ends below.
if #ARGV == 3 and redis.call('GET', KEYS[1]) == ARGV[3] and redis.call('EXISTS', KEYS[2]) == 0 then
  local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if set.ok then -- otherwise memory has run out
    redis.call('SET', KEYS[4], '>' .. #ARGV[3] .. ' ' .. ARGV[3] .. ARGV[1], 'PX', '6000')
    local token, failed = newToken()
    if not token then
      redis.call('DEL', KEYS[1])
      return failed
    end
    return 'g' .. token
  end
end
