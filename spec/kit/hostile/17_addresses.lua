-- expect: ok
local M = {}
function M.attack()
  local t, f, co = {}, function() end, coroutine.create(print)
  assert(not pcall(string.format, "%p", t))
  assert(not pcall(string.format, "\0%5p", t))
  assert(not pcall(string.format, "%-20p", t))
  for _, value in ipairs { t, f, co, print, setmetatable({}, { __name = "thing" }) } do
    local text = tostring(value)
    assert(text == tostring(value) and text == ("%s"):format(value))
    assert(not text:find("0x") and #text:match(": (%x+)$") == 12)
    assert(("\0%s"):format(value) == "\0" .. text)
  end
  assert(math.randomseed() == nil and select("#", math.randomseed(1)) == 0)
  local ok, why = pcall(error, t)
  assert(not ok and why == t)
end
return M
