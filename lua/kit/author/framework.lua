--- busted and luassert, as they are installed: their sources for an isolate that runs tests.
local paths = require "kit.paths"
local problem = require "kit.problem"

local M = {}

local OWN = { busted = true, luassert = true, say = true, mediator = true }

--- The folders in which Lua's modules lie: those of LUA_PATH, then the usual ones.
local function folders()
  local list, home = {}, os.getenv "HOME"
  for _, name in ipairs { "LUA_PATH_5_4", "LUA_PATH" } do
    for pattern in (os.getenv(name) or ""):gmatch "[^;]+" do
      list[#list + 1] = pattern:match "^(/.*)/%?%.lua$"
    end
  end
  for _, dir in ipairs { "/usr/local/share/lua/5.4", "/usr/share/lua/5.4" } do list[#list + 1] = dir end
  if home then table.insert(list, #list, home .. "/.luarocks/share/lua/5.4") end
  return list
end

--- The source of a module of the framework.
---@param name string
---@return { source: string, chunk: string }?
function M.source(name)
  if not OWN[name:match "^[^%.]+"] then return nil end
  local path = name:gsub("%.", "/")
  for _, dir in ipairs(folders()) do
    for _, chunk in ipairs { path .. ".lua", path .. "/init.lua" } do
      local file = paths.join(dir, chunk)
      local source = paths.kind(file) == "file" and paths.read(file)
      if source then return { source = source, chunk = chunk } end
    end
  end
  return nil
end

--- Whether it is installed.
---@return boolean?, Problem?
function M.there()
  for _, name in ipairs { "busted.core", "luassert", "say", "mediator" } do
    if not M.source(name) then
      return problem.fail("not_found", ("the tests need busted, and its module %s is not installed"):format(name),
        { hint = "apt install lua-busted   or: luarocks --local install busted" })
    end
  end
  return true
end

return M
