-- expect: timeout
-- A coroutine that dies by the hook has closing left to do.
local M = {}
local function forever() while true do end end
function M.attack()
  local co = coroutine.create(function()
    local _c <close> = setmetatable({}, { __close = forever })
    forever()
  end)
  pcall(coroutine.resume, co)
  pcall(coroutine.close, co)
  pcall(coroutine.wrap(function()
    local _c <close> = setmetatable({}, { __close = forever })
    coroutine.yield()
  end))
  forever()
end
return M
