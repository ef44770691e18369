-- Part of the scripts that grant a lock.

-- renew gives holder a token higher than the last and notes it in the fence.
-- It returns the token and the server's time, or nil and the error if the fence
-- cannot be written: a key of another type, or no memory; then nothing changed.
--
-- The clock is above the last token but for a server whose clock went back, so
-- the token is written first and looked back at afterwards: one call instead of
-- two. Strings of equally many digits compare as their numbers do, which holds
-- for microseconds since 1970 until 2286, and a last token that merely seems
-- higher is compared as a number.
--
-- The token is a string because a Lua number reaches the client cut down to an
-- integer of Redis's choosing; as a double it is exact below 2^53, which
-- microseconds since 1970 reach in the year 2255.
local function renew(fence, holder, life)
  local now = redis.call('TIME')
  local token = string.format('%d%06d', now[1], now[2])
  local before = redis.pcall('SET', fence, token .. ' ' .. holder, 'PX', life, 'GET')
  if type(before) == 'table' then
    return nil, before
  end
  if before and before >= token then
    local last = tonumber(string.match(before, '^%d+')) or 0
    token = string.format('%.0f', math.max(last + 1, token))
    redis.call('SET', fence, token .. ' ' .. holder, 'PX', life)
  end
  return token, now
end

-- recognize makes the lease run anew of a holder that has the lock, and returns
-- its token: a new one if the fence does not know the holder, because it was
-- evicted, or because a foreign client took the lock. Or nil and the error.
local function recognize(lock, fence, holder, lease, life)
  local token, owner = string.match(redis.call('GET', fence) or '', '^(%d+) (.*)$')
  if owner == holder then
    redis.call('PEXPIRE', fence, life)
  else
    local failed
    token, failed = renew(fence, holder, life)
    if not token then
      return nil, failed
    end
  end
  redis.call('PEXPIRE', lock, lease)
  return token
end
