-- expect: ok
local M = {}
local function forever() while true do end end
function M.attack()
  return setmetatable({ 1, 2 }, { __index = forever, __len = forever, __pairs = forever, __tostring = forever })
end
return M
