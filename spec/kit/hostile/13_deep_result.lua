-- expect: refused
local M = {}
function M.attack()
  local t = {}
  for _ = 1, 100000 do t = { t } end
  return t
end
return M
