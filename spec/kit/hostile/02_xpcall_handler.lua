-- expect: timeout
-- A message handler runs with hooks off.
local M = {}
local function loop() while true do end end
function M.attack()
  xpcall(loop, loop)
  xpcall(function() xpcall(loop, loop) end, loop)
end
return M
