-- Part of the scripts that free a lock or queue a claimant. The lock is KEYS[1], and
-- KEYS[2] is its queue, a sorted set that expires a minute after it was last needed:
--
--   member                                    score, in microseconds of the server's clock
--   "<lease in ms> <channel> <holder's id>"   a waiter: its time of arrival
--   the same                                  a waiter that was passed over: that + 2^52
--   "x <claim>"                               a claim that was released while a request of it
--                                             had no reply: the time of the release + 2^53

-- reserveNext reserves a free lock for the first claimant in its queue that can be woken,
-- and returns that claimant's holder id, or nil. The asker, the holder that runs this script,
-- needs no message, and the caller writes its key.
--
-- A reservation is not a grant: the claimant is woken and asks, and the answer is the grant.
-- The lease until then is short, because the process may have stopped. The message, "<length
-- of the lock's name> <the lock's name><holder's id>", is only a hint: it may reach the
-- claimant late, twice, through a replica, or although the claimant was passed over here.
--
-- A claimant whose message nobody receives is passed over. It may be dead, or still
-- subscribed to the previous primary; it gets its place back when it asks again. A message
-- that may not be sent counts as not received.
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

-- join puts a claimant at the end of the queue. A claimant that is already queued keeps its
-- place, and one that was passed over gets its place back. Claimants that were passed over
-- and came more than ten minutes ago are taken for dead.
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

-- leave removes a claimant from the queue; member is "" if it cannot be queued.
local function leave(member)
  if member ~= '' then
    redis.call('ZREM', KEYS[2], member)
  end
end

-- standing returns the reply to a queued claimant: "q<rest of the lease in ms>", -1 if the
-- lease does not end. If probe is true, it counts the subscribers of the claimant's channel
-- with an empty message; if there are none, the reply begins with "u".
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

-- refuse records a claim with a request that may arrive late, and forgets claims that were
-- recorded more than a minute ago.
local function refuse(claim)
  local now = tonumber(redis.call('TIME')[1])
  local function at(second) return string.format('%.0f', 9007199254740992 + second * 1000000) end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '9007199254740992', at(now - 60))
  redis.call('ZADD', KEYS[2], at(now), 'x ' .. claim)
  redis.call('PEXPIRE', KEYS[2], '60000')
end
