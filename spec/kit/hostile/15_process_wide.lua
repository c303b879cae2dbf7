-- expect: ok
local M = {}
function M.attack()
  for _, name in ipairs { "exit", "setlocale", "execute", "remove", "rename", "getenv", "tmpname" } do
    assert(os[name] == nil, name)
  end
  for _, name in ipairs { "io", "package", "debug", "dofile", "loadfile", "newproxy", "arg" } do
    assert(_G[name] == nil, name)
  end
  for _, name in ipairs { "..", "../x", "./x", "/etc/passwd", "a/b", "a\0b", "a..b", ".a", "a.", "", "io", "package",
                          "debug", ("a"):rep(10000), "C:\\x", "%2e%2e" } do
    assert(not pcall(require, name), name)
  end
end
return M
