-- expect: timeout
-- One call prints numbers of 400 digits.
local M = {}
function M.attack()
  local n, numbers = 100000, {}
  for i = 1, n do numbers[i] = 1e308 end
  assert(not pcall(string.format, ("%99.99f"):rep(n), table.unpack(numbers)))
  while true do pcall(string.format, ("%99.99f"):rep(9000), table.unpack(numbers, 1, 9000)) end
end
return M
