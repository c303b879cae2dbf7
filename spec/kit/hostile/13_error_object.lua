-- expect: error
local M = {}
local function forever() while true do end end
function M.attack()
  error(setmetatable({}, { __tostring = forever, __name = "x", __index = forever, __len = forever, __eq = forever }))
end
return M
