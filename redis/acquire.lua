-- The rest of acquire_free.lua.
local member = ARGV[4] or ''
local late = waits and redis.pcall('ZSCORE', KEYS[2], 'x ' .. (ARGV[5] or ARGV[1]))
if type(late) == 'string' then -- otherwise there is none, or the key is of another type
  return 'n'
end

local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- first: a full server then accepts the other writes
  local token, failed = newToken()
  if not token then
    return failed
  end
  leave(member)
  return 'r' .. token
end

local queues = ARGV[3] == 'q' or ARGV[3] == 'u'
if queues then
  join(member)
end
if not owner then
  local first = ARGV[3] ~= 't' and reserveNext(ARGV[1])
  if not first or first == ARGV[1] then
    leave(member)
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    local token, failed = newToken()
    if not token then
      redis.call('DEL', KEYS[1])
      return failed
    end
    return 'g' .. token
  end
end
if not queues then
  return 'p'
end
return standing(member, ARGV[3] == 'u')
