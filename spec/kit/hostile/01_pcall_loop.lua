-- expect: timeout
-- Every error is caught, at every level, and the loop goes on.
local M = {}
local function nest(depth)
  while true do
    pcall(function()
      if depth > 0 then nest(depth - 1) end
      while true do end
    end)
  end
end
function M.attack() nest(50) end
return M
