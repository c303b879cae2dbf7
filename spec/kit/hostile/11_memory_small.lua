-- expect: memory
local M = {}
function M.attack()
  local kept, n = {}, 0
  while true do
    pcall(function() while true do n = n + 1 kept[n] = { kept } end end)
  end
end
return M
