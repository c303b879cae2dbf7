-- expect: ok
-- Each coroutine closes the one before when it is closed.
local M = {}
function M.attack()
  local before
  for _ = 1, 40000 do
    local inner = before
    local co = coroutine.create(function()
      local _c <close> = setmetatable({}, { __close = function() if inner then coroutine.close(inner) end end })
      coroutine.yield()
    end)
    if not pcall(coroutine.resume, co) then break end
    before = co
    if not pcall(coroutine.create, print) then break end
  end
  pcall(coroutine.close, before)
end
return M
