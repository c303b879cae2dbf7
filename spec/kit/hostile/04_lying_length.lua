-- expect: ok
local M = {}
function M.attack()
  local liar = setmetatable({ 1, 2 }, { __len = function() return 1 << 53 end, __index = function() return "x" end })
  table.insert(liar, 1, 3)
  assert(table.remove(liar) == 2 and rawlen(liar) == 2)
  assert(table.concat(liar) == "31")
  table.sort(liar)
  assert(select("#", table.unpack(liar)) == 2)
  assert(string.rep("", 1 << 53) == "" and string.rep("", 1 << 53, "") == "")
  assert(not pcall(string.rep, "x", 1 << 53))
  assert(not pcall(string.rep, "", 1 << 53, "x"))
end
return M
