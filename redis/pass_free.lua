-- Hands the lock from one holder to the next, or to the waiters in the queue.
--
-- KEYS[1]  lock      string: the holder's id; expires with the lease
-- KEYS[2]  queue     sorted set: see queue.lua
-- KEYS[3]  fence     string: the last token
-- KEYS[4]  released  string: the last release of this lock by the client
-- ARGV[1]  next holder's id
-- ARGV[2]  lease, in whole milliseconds
-- ARGV[3]  holder's id
-- ARGV[4]  "q" if the next holder may be queued, "p" or missing if it cannot be woken
-- ARGV[5]  how the next holder stands in the queue, or would; "" or missing if it is not in
--          it and cannot be woken
-- ARGV[6]  the next holder's claim: its id and what tells apart its acquisitions; missing if
--          that is its id alone
-- ARGV[7]  the holder's claim, likewise
-- ARGV[8]  "1" if those in the queue come first
-- ARGV[9]  "1" if a request of the holder's claim has no reply, and must be refused if it
--          arrives later
--
-- Returns "g<token>" or "r<token>" if the next holder has the lock, "q<ms>" if another
-- has it and the next one is in the queue, "p" if it was freed and the next one is in
-- no queue, or "n" if it was not the holder's to give.
--
-- If the next holder cannot be woken, other processes may be in the same case, and
-- poll: to let them come first is then to free the lock.
--
-- A client whose reply was lost asks again. The memory of the handover names the next
-- holder, and so tells a repeat from the release of the lock by somebody else. What follows this header is
-- all that runs if nobody waits in the queue.
if #ARGV == 3 and redis.call('GET', KEYS[1]) == ARGV[3] and redis.call('EXISTS', KEYS[2]) == 0 then
  local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if set.ok then -- else memory has run out
    redis.call('SET', KEYS[4], '>' .. #ARGV[3] .. ' ' .. ARGV[3] .. ARGV[1], 'PX', '6000')
    local token, failed = newToken()
    if not token then
      redis.call('DEL', KEYS[1])
      return failed
    end
    return 'g' .. token
  end
end
