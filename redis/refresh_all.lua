-- Makes the leases of many holders start again from now.
--
-- KEYS[n]    lock  string: the holder's id; expires with the lease
-- ARGV[1]    lease, in whole milliseconds
-- ARGV[n+1]  holder's id
--
-- Returns a string with one character per lock: "y", "n" if the holder does not have the
-- lock, or "!" if the server refused; refreshing that lock alone shows why. A string costs
-- the server and the client a tenth of what an array does.
local answers = {}
for n = 1, #KEYS do
  local owner = redis.pcall('GET', KEYS[n])
  local answer = 'n'
  if type(owner) == 'table' then
    answer = '!'
  elseif owner == ARGV[n + 1] then
    answer = type(redis.pcall('PEXPIRE', KEYS[n], ARGV[1])) == 'table' and '!' or 'y'
  end
  answers[n] = answer
end
return table.concat(answers)
