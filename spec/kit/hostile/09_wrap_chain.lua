-- expect: any
-- Coroutines within coroutines, dying from the inside.
local M = {}
local function deeper(n)
  local _c <close> = setmetatable({}, { __close = function() pcall(coroutine.wrap(deeper), n + 1) end })
  coroutine.wrap(deeper)(n + 1)
end
function M.attack() pcall(deeper, 1) end
return M
