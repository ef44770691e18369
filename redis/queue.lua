-- Part of the scripts that free a lock. Those who wait for one stand in
--
--   queue  sorted set: "<lease in ms> <channel> <holder's id>", by the server's
--          time in microseconds at which each came; expires a minute after
--          somebody came or asked again

-- grantNext gives a lock that is free to the first in its queue who can be
-- told, and returns that holder, or nil. The asker, the holder who runs this
-- script, needs no message: it gets its full lease, and its token is returned too.
--
-- The message is "<token> <lease in ms> <server's time in microseconds>
-- <length of the lock's name> <the lock's name><holder's id>". If nobody
-- receives it, the process is dead or deaf; so it counts if it may not be sent.
-- The lease is short, for the process may be as good as dead: a live one makes it
-- a full one with its first refresh.
--
-- The message goes out when the script has ended, so nobody can act on a grant
-- that is still to be written.
local function grantNext(lock, fence, queue, afterlife, asker, askersLease)
  while true do
    local first = redis.pcall('ZPOPMIN', queue)
    if not first[1] then -- empty, or of another type
      return nil
    end
    local lease, channel, holder = string.match(first[1], '^(%d+) (%S+) (.*)$')
    if holder then
      if holder == asker then
        lease = askersLease
      end
      local token, now = renew(fence, holder, lease + afterlife)
      if not token then
        redis.call('ZADD', queue, first[2], first[1]) -- perhaps it was the last
        redis.call('PEXPIRE', queue, 60000)
        return nil
      end
      local heard = 1
      if holder ~= asker then
        heard = redis.pcall(string.find(channel, '{', 1, true) and 'SPUBLISH' or 'PUBLISH', channel,
          string.format('%s %s %d%06d %d ', token, lease, now[1], now[2], #lock) .. lock .. holder)
      end
      if type(heard) == 'number' and heard > 0 then
        redis.call('SET', lock, holder, 'PX', lease)
        return holder, token
      end
    end
  end
end

-- standing says how a waiter stands: "q<remaining lease in ms> <server's time
-- in microseconds>", -1 if the lease does not end.
local function standing(lock, now)
  return string.format('q%d %d%06d', redis.call('PTTL', lock), now[1], now[2])
end
