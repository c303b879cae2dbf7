-- expect: timeout
-- A long set, twice at each place.
local M = {}
function M.attack()
  local set = "%f[" .. ("a"):rep(1000000) .. "]"
  while true do pcall(string.find, ("b"):rep(10000), set) end
end
return M
