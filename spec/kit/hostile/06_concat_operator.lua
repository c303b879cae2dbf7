-- expect: timeout
-- One instruction joins 20 MB.
local M = {}
function M.attack()
  local s = ("x"):rep(10 << 20)
  while true do local _ = s .. "y" end
end
return M
