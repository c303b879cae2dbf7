-- expect: timeout
local M = {}
function M.attack()
  local subject = ("("):rep(300000)
  return #subject:gsub("%b()x*", "")
end
return M
