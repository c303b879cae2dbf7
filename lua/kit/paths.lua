--- Paths of files and folders, as text and as the kernel sees them.
local fs = require "sy.fs"

local M = {}

--- Joins parts with single slashes; an absolute later part wins.
---@param ... string
---@return string
function M.join(...)
  local path = ""
  for _, part in ipairs { ... } do
    if part:sub(1, 1) == "/" or path == "" then
      path = part
    else
      path = path:gsub("/+$", "") .. "/" .. part
    end
  end
  return path
end

--- The folder a path lies in.
---@param path string
---@return string
function M.parent(path)
  local parent = path:gsub("/+$", ""):match("^(.*)/[^/]*$")
  if parent == nil then return "." end
  return parent == "" and "/" or parent
end

--- The last part of a path.
---@param path string
---@return string
function M.name(path)
  return path:gsub("/+$", ""):match("([^/]*)$")
end

--- What lies at a path: {type, size, mode, uid, mtime_ms, …}; nil, message, code when there is nothing.
---@param path string
---@param follow? boolean false: of a link itself
---@return table?, string?, string?
function M.stat(path, follow)
  if follow == false then return fs.lstat(path) end
  return fs.stat(path)
end

--- "file", "directory", "other", or nil when there is nothing.
---@param path string
---@return string?
function M.kind(path)
  local st = fs.stat(path)
  return st and st.type or nil
end

--- The path without links, "." and "..".
---@param path string
---@return string?, string?, string?
function M.real(path) return fs.realpath(path) end

--- The current folder.
---@return string
function M.cwd() return fs.cwd() end

--- The names in a folder, sorted; nil when it cannot be read.
---@param dir string
---@return string[]?
function M.names(dir)
  local entries = fs.list(dir)
  if not entries then return nil end
  local names = {}
  for i, entry in ipairs(entries) do names[i] = entry.name end
  return names
end

--- Makes a folder and those above it; an existing one is left as it is.
---@param dir string
---@param mode? integer of the folder itself
---@return boolean?, string?, string?
function M.make(dir, mode)
  if M.kind(dir) == "directory" then return true end
  local ok, message, code = fs.mkdir(dir)
  if ok and mode then ok, message, code = fs.chmod(dir, mode) end
  return ok, message, code
end

--- Replaces a file at once: readers see the old bytes or the new ones.
---@param path string
---@param bytes string
---@param mode? integer
---@return boolean?, string?, string?
function M.write(path, bytes, mode) return fs.write(path, bytes, { sync = true, mode = mode }) end

--- Whether `path` is `dir` or below it; both as realpath gives them.
---@param path string
---@param dir string
---@return boolean
function M.within(path, dir)
  return path == dir or path:sub(1, #dir + 1) == (dir == "/" and "/" or dir .. "/")
end

--- A path relative to a folder where it lies below it, else unchanged.
---@param path string
---@param dir string
---@return string
function M.relative(path, dir)
  if path ~= dir and M.within(path, dir) then return path:sub(#dir + (dir == "/" and 1 or 2)) end
  return path
end

--- The bytes of a file.
---@param path string
---@return string?, string?
function M.read(path)
  if M.kind(path) == "directory" then return nil, path .. ": it is a folder" end
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local bytes = file:read("a")
  file:close()
  return bytes
end

return M
