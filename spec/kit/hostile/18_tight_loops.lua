-- expect: timeout
--
-- No call, no allocation, nothing that looks at a clock: three loops of different instructions, each in a pcall.
local M = {}
function M.attack()
  while true do
    pcall(function() for _ = 1, math.maxinteger do end end)
    pcall(function() ::again:: goto again end)
    pcall(function() repeat until false end)
  end
end
return M
