-- expect: timeout
local M = {}
function M.attack()
  assert(not pcall(os.date, ("%c"):rep(500000)))
  local format = ("%c"):rep(500)
  while true do pcall(os.date, format) end
end
return M
