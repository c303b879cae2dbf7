-- expect: error
local M = {}
function M.attack()
  assert(not pcall(table.move, {}, 1, 1 << 53, 2))
  assert(not pcall(table.unpack, {}, 1, 1 << 40))
  table.move({}, math.mininteger, math.maxinteger, 1)
end
return M
