-- Part of the scripts that grant a lock. The fence is KEYS[3].

-- newToken stores a fencing token in the fence that is higher than all before it, and
-- returns it. If the fence cannot be written, newToken returns nil and the error.
--
-- The clock is ahead of the last token unless it was set back, so the token is written
-- first and compared afterwards: one call instead of two. Strings with the same number of
-- digits compare like their numbers, and microseconds since 1970 have the same number of
-- digits until 2286. The token stays a string because Redis would cut a Lua number to an
-- integer. As a number it is exact below 2^53, which is the year 2255.
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
