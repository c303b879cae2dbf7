-- expect: timeout
-- Leaving the loop runs the next one.
local M = {}
local function forever() while true do pcall(function() while true do end end) end end
function M.attack()
  for _ = 1, 100 do
    local _a <close> = setmetatable({}, { __close = forever })
    local _b <close> = setmetatable({}, { __close = forever })
    pcall(function()
      local _c <close> = setmetatable({}, { __close = forever })
      forever()
    end)
  end
end
return M
