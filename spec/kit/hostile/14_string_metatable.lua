-- expect: error
local M = {}
function M.attack()
  assert(getmetatable("") == false)
  assert(not pcall(setmetatable, "", {}))
  getmetatable("").__index = nil
end
return M
