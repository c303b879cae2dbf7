-- expect: timeout
--
-- Each coroutine ends before the next look at the clock could reach it, and the loop never computes itself.
local M = {}
function M.attack()
  local function live() for _ = 1, 50 do end end
  while true do pcall(coroutine.wrap(live)) end
end
return M
