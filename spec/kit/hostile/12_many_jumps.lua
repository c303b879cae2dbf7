-- expect: error
-- A label that ends 30,000 gotos, or a loop with as many breaks, is quadratic in the parser.
local M = {}
function M.attack()
  assert(not load(("goto a "):rep(30000) .. "::a::"))
  assert(not load("while x do " .. ("if x then break end "):rep(30000) .. " end"))
  assert(load(("goto a "):rep(1000) .. "::a::"))
  error("refused")
end
return M
