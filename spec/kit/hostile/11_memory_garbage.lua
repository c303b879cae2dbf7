-- expect: timeout
-- All of it is garbage: no reason to refuse anything.
local M = {}
function M.attack()
  local s = ("x"):rep(1 << 20)
  while true do local _ = s .. "y" end
end
return M
