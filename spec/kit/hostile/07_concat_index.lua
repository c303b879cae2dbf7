-- expect: error
local M = {}
function M.attack()
  local t = setmetatable({}, { __index = rawlen })
  return #table.concat(t, "", 1, 1 << 40)
end
return M
