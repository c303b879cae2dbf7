--- Runs busted inside symphony-spec: our handler, strict globals, an exit that lets the state close.

local support = require "support"

local EXIT = {} -- raised in place of os.exit

local function exit(code)
  if code == true or code == nil then code = 0 end
  error({[EXIT] = code == false and 1 or code}, 0)
end

--- Whether the function two levels up is the program's own (loaded by our searcher), not busted's or a spec's.
local function is_ours()
  local source = debug.getinfo(3, "S").source
  return source:find "^@lua/" or source:find "^@stdlib/"
end

--- In the program's own code a global that nobody declared is a mistake, read or written.
local function make_strict()
  setmetatable(_G, {
    __index = function (_, name)
      if is_ours() then error("undeclared global '" .. tostring(name) .. "'", 2) end
    end,
    __newindex = function (t, name, value)
      if is_ours() then error("assignment to undeclared global '" .. tostring(name) .. "'", 2) end
      rawset(t, name, value)
    end,
  })
end

os.exit = exit -- luacheck: ignore 122
make_strict()
table.insert(arg, 1, "--output=" .. support.root .. "/spec/support/handler.lua")
local ok, problem = xpcall(require "busted.runner", function (e)
  return type(e) == "table" and e or debug.traceback(tostring(e), 2)
end, {standalone = false})
support.clean()
if ok then return 0 end
if type(problem) == "table" and problem[EXIT] then return problem[EXIT] end
io.stderr:write("symphony-spec: ", tostring(problem), "\n")
return 1
