-- expect: timeout
local M = {}
function M.attack()
  warn("@on")
  while true do print("noise", 1, {}) warn("more ", "noise") end
end
return M
