-- Makes the leases of many holders run anew.
--
-- KEYS[2n-1]  lock   string: the holder's id; expires with the lease
-- KEYS[2n]    fence  string: "<last token> <who got it>"; outlives the lease
-- ARGV[1]  lease, in whole milliseconds
-- ARGV[2]  life of the fence, in whole milliseconds
-- ARGV[n+2]  holder's id
--
-- Returns a string of a character for each lock: "1", or "0" if the holder does
-- not have the lock, or "e" if the server refused; then refreshing it alone tells
-- why. A string costs server and client a tenth of what an array does.
local answers = {}
for n = 1, #KEYS / 2 do
  local lock, fence = KEYS[2 * n - 1], KEYS[2 * n]
  local owner = redis.pcall('GET', lock)
  local answer = '0'
  if type(owner) == 'table' then
    answer = 'e'
  elseif owner == ARGV[n + 2] then
    local refused = redis.pcall('PEXPIRE', lock, ARGV[1])
    redis.pcall('PEXPIRE', fence, ARGV[2])
    answer = type(refused) == 'table' and 'e' or '1'
  end
  answers[n] = answer
end
return table.concat(answers)
