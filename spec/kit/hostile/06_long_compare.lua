-- expect: timeout
-- One instruction compares 20 MB.
local M = {}
function M.attack()
  local a, b = ("x"):rep(20 << 20), ("x"):rep(20 << 20)
  while true do local _ = a == b, a < b, a <= b end
end
return M
