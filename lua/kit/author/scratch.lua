--- The project of a test: a folder of its own that is emptied before each test and removed at the end.
local fs = require "sy.fs"
local paths = require "kit.paths"
local problem = require "kit.problem"

local M = {}

---@class Scratch
---@field dir string
local Scratch = {}
Scratch.__index = Scratch

--- Makes one.
---@return Scratch?, Problem?
function M.new()
  local dir, message = fs.tempdir(nil, "symphony-test-")
  if not dir then return problem.fail("io_error", message) end
  return setmetatable({ dir = paths.real(dir) or dir }, Scratch)
end

--- The path of a file in it: nothing may lead out, not even a link that a program has made.
function Scratch:path(relative)
  if relative == "" or relative:sub(1, 1) == "/" or relative:find "%z" then return nil end
  local at = self.dir
  for part in relative:gmatch "[^/]+" do
    local st = paths.stat(at, false)
    if part == ".." or part == "." or st and st.type ~= "directory" then return nil end
    at = at .. "/" .. part
  end
  return at
end

--- Writes files, and the folders above them.
---@param tree table<string, string>
function Scratch:write(tree)
  for relative, content in pairs(tree) do
    local path = type(relative) == "string" and self:path(relative)
    if not path then error(("`%s` is no path of a file in the project"):format(tostring(relative)), 0) end
    if type(content) ~= "string" then error(("the content of %s is a text"):format(relative), 0) end
    local st = paths.stat(path, false)
    if st and st.type ~= "file" then error(("`%s` is there already, and no file"):format(relative), 0) end
    assert(fs.mkdir_p(paths.parent(path)))
    assert(fs.write(path, content))
  end
end

--- The content of a file; false where none is.
---@param relative string
---@return string|false
function Scratch:read(relative)
  local path = self:path(relative)
  local st = path and paths.stat(path, false)
  return st and st.type == "file" and fs.read(path) or false
end

--- Removes all that is in it.
function Scratch:empty()
  for _, entry in ipairs(fs.list(self.dir) or {}) do fs.rmtree(self.dir .. "/" .. entry.name) end
end

--- Removes it.
function Scratch:close()
  fs.rmtree(self.dir)
end

return M
