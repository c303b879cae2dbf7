-- expect: refused
-- A finalizer would run at a collection, or when the state is closed.
local M = {}
local function forever() while true do end end
function M.attack()
  local mt = {}
  local late = setmetatable({}, mt)
  mt.__gc = forever
  assert(not pcall(setmetatable, {}, mt))
  assert(not pcall(setmetatable, late, { __gc = forever }))
  late = nil
  collectgarbage()
  setmetatable({}, { __gc = forever })
end
return M
