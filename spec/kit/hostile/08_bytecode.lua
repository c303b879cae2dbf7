-- expect: ok
local M = {}
function M.attack()
  assert(string.dump == nil and loadfile == nil and dofile == nil)
  assert(not load("\27Lua\x54\0\x19\x93\r\n\x1a\n"))
  assert(not pcall(load, "return 1", "x", "b"))
  local pieces = { "\27", "Lua" }
  assert(not load(function() return table.remove(pieces, 1) end))
  local binary = load("\27Lua", "x", "bt")
  assert(binary == nil)
end
return M
