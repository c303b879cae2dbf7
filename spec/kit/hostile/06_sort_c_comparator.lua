-- expect: timeout
local M = {}
function M.attack()
  local t = {}
  for i = 1, 100000 do t[i] = i end
  while true do pcall(table.sort, t, rawequal) end
end
return M
