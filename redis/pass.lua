-- The rest of pass_free.lua.
local member, claim = ARGV[5] or '', ARGV[7] or ARGV[3]
local owner = redis.call('GET', KEYS[1])
local queues = ARGV[4] == 'q'
local handover = '>' .. #claim .. ' ' .. claim .. ARGV[1]
if owner ~= ARGV[3] then
  if redis.call('GET', KEYS[4]) ~= handover then
    return 'n'
  end
  if owner == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    local token, failed = newToken()
    if not token then
      return failed
    end
    leave(member)
    return 'r' .. token
  end
  return queues and redis.call('ZSCORE', KEYS[2], member) and standing(member) or 'p'
end

-- Before anything is written, because a key of another type is an error.
local waits = redis.call('EXISTS', KEYS[2]) == 1
local late = waits and redis.call('ZSCORE', KEYS[2], 'x ' .. (ARGV[6] or ARGV[1]))
redis.call('DEL', KEYS[1]) -- first: it is allowed even if memory has run out
redis.call('SET', KEYS[4], handover, 'PX', '6000')
if ARGV[9] == '1' then
  refuse(claim)
  waits = true
end
if late or ARGV[8] == '1' and (waits or not queues) then
  if late or not queues then
    leave(member)
    reserveNext('')
    return 'p'
  end
  join(member)
  if reserveNext(ARGV[1]) ~= ARGV[1] then
    return standing(member)
  end
end
if waits then
  leave(member)
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local token, failed = newToken()
if not token then
  redis.call('DEL', KEYS[1])
  return failed
end
return 'g' .. token
