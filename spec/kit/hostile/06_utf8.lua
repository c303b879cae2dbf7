-- expect: timeout
local M = {}
function M.attack()
  local s = "a" .. ("\x80"):rep(20 << 20)
  local step = utf8.codes("a", true)
  while true do
    pcall(step, s, 1)
    pcall(utf8.len, s, 1, -1, true)
    pcall(utf8.offset, s, 2)
  end
end
return M
