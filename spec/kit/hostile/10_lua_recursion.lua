-- expect: error
local M = {}
local function f(...) return 1 + f(...) end
function M.attack() f(1, 2, 3) end
return M
