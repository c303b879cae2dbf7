-- expect: timeout
-- Few steps, each of them long.
local M = {}
function M.attack()
  local set = "[" .. ("a"):rep(1000000) .. "]"
  while true do pcall(string.find, ("b"):rep(10000), set .. "*" .. set) end
end
return M
