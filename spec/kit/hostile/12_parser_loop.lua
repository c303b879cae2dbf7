-- expect: timeout
local M = {}
function M.attack()
  local source = "return {" .. ("1,"):rep(400000) .. "}"
  while true do pcall(load, source) end
end
return M
