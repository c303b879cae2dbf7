-- expect: timeout
local M = {}
function M.attack() while true do end end
return M
