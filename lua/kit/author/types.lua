--- The stubs for editors, in the person's data folder, where .luarc.json of an extension points.
local gen = require "types.gen"
local json = require "sy.json"
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"

local M = {}

local GLOBALS = { "after_each", "assert", "before_each", "describe", "it", "match", "mock", "pending", "setup", "spy",
  "stub", "teardown" }

--- Where they lie.
---@return string
function M.dir()
  return paths.join(person.data_dir(), "types")
end

--- Writes them where they are missing or of another version.
---@return string? dir
---@return Problem?
function M.write()
  local dir = M.dir()
  local ok, message = paths.make(dir)
  for name, text in pairs(gen.library()) do
    local path = paths.join(dir, name)
    if ok and paths.read(path) ~= text then ok, message = paths.write(path, text) end
  end
  if ok then return dir end
  return problem.fail("io_error", ("the stubs cannot be written: %s"):format(message))
end

--- The text of a .luarc.json that points there.
---@return string
function M.luarc()
  local home, dir = os.getenv "HOME", M.dir()
  if home and dir:sub(1, #home + 1) == home .. "/" then dir = "~" .. dir:sub(#home + 1) end
  return json.encode({
    ["runtime.version"] = "Lua 5.4",
    ["runtime.path"] = json.array { "?.lua", "?/init.lua" },
    ["workspace.library"] = json.array { dir },
    ["diagnostics.globals"] = json.array(GLOBALS),
  }, { pretty = true }) .. "\n"
end

return M
