-- expect: memory
local M = {}
function M.attack()
  local s = "x"
  while true do pcall(function() s = s .. s end) end
end
return M
