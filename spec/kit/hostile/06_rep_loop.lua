-- expect: timeout
local M = {}
function M.attack()
  while true do pcall(string.rep, "0123456789", 3000000) end
end
return M
