-- expect: memory
-- The refusal is caught and the loop goes on.
local M = {}
function M.attack()
  local kept = {}
  while true do
    pcall(function() while true do kept[#kept + 1] = ("x"):rep(1 << 16) .. #kept end end)
  end
end
return M
