-- expect: timeout
local M = {}
function M.attack()
  local s = ("0"):rep(10 << 20)
  while true do local _ = tonumber(s), pcall(function() return s + 1 end) end
end
return M
