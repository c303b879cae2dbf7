-- expect: timeout
-- No coroutine lives long enough for its hook.
local M = {}
function M.attack()
  local function short() coroutine.wrap(function() end)() end
  while true do pcall(coroutine.wrap(short)) end
end
return M
