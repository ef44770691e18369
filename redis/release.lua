-- The rest of release_free.lua.
local life, member, claim, inDoubt = ARGV[2] or '6000', ARGV[3] or '', ARGV[4] or ARGV[1], ARGV[5] == '1'
local held = redis.call('GET', KEYS[1]) == ARGV[1]
local before, inItsName = false, false
if not held or claim ~= ARGV[1] then
  local memory, passed = redis.pcall('GET', KEYS[3]), '>' .. #claim .. ' ' .. claim
  if type(memory) == 'string' then -- otherwise there is none, or a foreign value
    before = memory == claim or string.sub(memory, 1, #passed) == passed
    inItsName = memory == ARGV[1]
  end
end
held = held and not before -- otherwise what the holder has is from a later claim
if held then
  redis.call('DEL', KEYS[1]) -- first: it is allowed even if memory has run out
end
leave(member)
if inDoubt then
  refuse(claim)
end
if held then
  if life ~= '' then
    redis.call('SET', KEYS[3], claim, 'PX', life)
  end
  reserveNext('')
  return 'y'
end
return (before or inItsName) and 'e' or 'n'
