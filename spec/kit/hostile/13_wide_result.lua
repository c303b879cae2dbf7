-- expect: refused
-- Small in memory, enormous once it is written out.
local M = {}
function M.attack()
  local t = { ("x"):rep(1 << 20) }
  for _ = 1, 20 do t = { t, t } end
  return t
end
return M
