-- Part of the scripts that grant a lock. The fence is KEYS[3].

-- newToken returns a fencing token that is higher than all before it, and stores it in
-- the fence; or nil and the error if the fence cannot be written.
--
-- The clock is ahead of the last token unless it was set back, so the token is written
-- first and compared afterwards: one call instead of two. Strings with the same number of
-- digits compare like their numbers, which holds for microseconds since 1970 until 2286. A
-- token stays a string because a Lua number would reach the client cut to an integer; as a
-- number it is exact below 2^53, the year 2255.
local function newToken()
  local now = redis.call('TIME')
  local token = now[1] .. string.sub('00000' .. now[2], -6)
  local last = redis.pcall('SET', KEYS[3], token, 'GET')
  if type(last) == 'table' then
    return nil, last
  end
  if last and last >= token then
    token = string.format('%.0f', math.max((tonumber(string.match(last, '^%d+')) or 0) + 1, tonumber(token)))
    redis.call('SET', KEYS[3], token)
  end
  return token
end
