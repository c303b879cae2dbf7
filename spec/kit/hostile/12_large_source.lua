-- expect: error
local M = {}
function M.attack()
  local source = ("x = 1 "):rep(3 << 20)
  local f, why = load(source)
  error(f and "loaded" or why)
end
return M
