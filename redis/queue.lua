-- Part of the scripts that free a lock or queue for one. The lock is KEYS[1], and
-- KEYS[2] is its queue, a sorted set that expires a minute after it was last needed:
--
--   "<lease in ms> <channel> <holder's id>"   one that waits, by the server's time in
--                                             microseconds at which it came
--   the same                                  one that was passed over, by that time + 2^52
--   "x <claim>"                               a claim that was released while a request of it
--                                             had no reply, by that time + 2^53

-- reserveNext gives a lock that is free to the first in its queue that can be woken,
-- and returns that holder, or nil. The asker, the holder that runs this script, needs
-- no message, and its key is written by the caller.
--
-- The lock is only reserved: the claimant is woken, asks, and is granted the lock by the
-- answer. The lease until then is short, because the process may have stopped. The message,
-- "<length of the lock's name> <the lock's name><holder's id>", is a hint and no
-- proof: it may reach the claimant late, twice, or through a replica, or although it
-- was passed over here.
--
-- A claimant whose message nobody receives is passed over. It may be dead, or still be
-- subscribed to the server that was the primary before: it gets its place back when it
-- asks again. A message that may not be sent counts as not received.
local function reserveNext(asker)
  while true do
    local first = redis.pcall('ZRANGEBYSCORE', KEYS[2], '0', '4503599627370495', 'LIMIT', '0', '1')[1]
    if not first then -- none, or the key is of another type
      return nil
    end
    local lease, channel, holder = string.match(first, '^(%d+) (%S+) (.+)$')
    if not holder or holder == asker then
      redis.call('ZREM', KEYS[2], first)
    else
      local receivers = redis.pcall(string.find(channel, '{', 1, true) and 'SPUBLISH' or 'PUBLISH', channel,
        #KEYS[1] .. ' ' .. KEYS[1] .. holder)
      if type(receivers) == 'number' and receivers > 0 then
        redis.call('ZREM', KEYS[2], first)
        redis.call('SET', KEYS[1], holder, 'PX', lease)
        return holder
      end
      redis.call('ZINCRBY', KEYS[2], '4503599627370496', first)
    end
    if holder == asker then
      return holder
    end
  end
end

-- join puts a claimant at the end of the queue. One that is in it keeps its place,
-- and one that was passed over gets its place back. Those that were passed over, and came
-- more than ten minutes ago, are taken for dead.
local function join(member)
  local place = redis.call('ZSCORE', KEYS[2], member)
  if not place then
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[2], now[1] .. string.sub('00000' .. now[2], -6), member)
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '4503599627370496', string.format('%.0f', 4503599627370496 + (tonumber(now[1]) - 600) * 1000000))
  elseif tonumber(place) >= 4503599627370496 then
    redis.call('ZINCRBY', KEYS[2], '-4503599627370496', member)
  end
  redis.call('PEXPIRE', KEYS[2], '60000')
end

-- leave takes a claimant out of the queue; member is "" if it cannot be in it.
local function leave(member)
  if member ~= '' then
    redis.call('ZREM', KEYS[2], member)
  end
end

-- standing is the reply to a claimant in the queue: "q<what is left of the lease in
-- ms>", -1 if it does not end. If probe is true it counts the subscribers of the
-- claimant's channel with an empty message; without any, the reply begins with "u".
local function standing(member, probe)
  local left = string.format('%d', redis.call('PTTL', KEYS[1]))
  if probe then
    local channel = string.match(member, '^%d+ (%S+) ')
    if redis.pcall(string.find(channel, '{', 1, true) and 'SPUBLISH' or 'PUBLISH', channel, '') == 0 then
      return 'u' .. left
    end
  end
  return 'q' .. left
end

-- refuse notes a claim of which a request may arrive late, and forgets those that were
-- noted a minute ago.
local function refuse(claim)
  local now = tonumber(redis.call('TIME')[1])
  local function at(second) return string.format('%.0f', 9007199254740992 + second * 1000000) end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '9007199254740992', at(now - 60))
  redis.call('ZADD', KEYS[2], at(now), 'x ' .. claim)
  redis.call('PEXPIRE', KEYS[2], '60000')
end
