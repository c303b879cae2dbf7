-- expect: timeout
-- Calls that copy 200,000 values.
local M = {}
function M.attack()
  local t = {}
  for i = 1, 200000 do t[i] = i end
  local function pass(...) return select("#", ...) end
  while true do pass(table.unpack(t)) end
end
return M
