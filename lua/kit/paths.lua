--- Paths of files and folders, as text and as the kernel sees them.
local system = require "sy.system"

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

--- "file", "dir", "other", or nil when there is nothing.
---@param path string
---@return string?
function M.kind(path)
  local st = system.stat(path)
  return st and st.kind or nil
end

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
  if M.kind(path) == "dir" then return nil, path .. ": it is a folder" end
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local bytes = file:read("a")
  file:close()
  return bytes
end

return M
