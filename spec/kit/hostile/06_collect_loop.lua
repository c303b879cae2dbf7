-- expect: timeout
local M = {}
function M.attack()
  local keep = {}
  for i = 1, 200000 do keep[i] = { i } end
  while true do collectgarbage() end
end
return M
