-- expect: timeout
local M = {}
function M.attack()
  while true do pcall(string.pack, "c20000000", "") end
end
return M
