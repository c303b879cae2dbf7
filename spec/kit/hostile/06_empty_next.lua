-- expect: timeout
-- One call of next walks a million empty slots.
local M = {}
function M.attack()
  local t = {}
  for i = 1, 1000000 do t[i] = i end
  for i = 1, 1000000 do t[i] = nil end
  while true do next(t) next(t) next(t) next(t) end
end
return M
