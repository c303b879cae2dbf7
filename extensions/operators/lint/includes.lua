--- The files that a C file includes by a quoted name, and those that they include: what cppcheck reads besides it.
--- Names are looked for beside the file that has them, as it does when it is given no folders.

local fs = require "fs"

local M = {}

local MAX_FILES = 400

--- "a/../b/./c.h" without the dots; nil: it climbs out.
local function normal(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then
      if #parts == 0 then return nil end
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

--- Adds the quoted names of one file; false where a name is not plain to see.
local function add_quoted(path, content, add)
  if content:find("__has_include", 1, true) then return false end
  local folder, count = path:match "^(.*/)[^/]*$" or "", 0
  for rest in ("\n" .. content):gmatch "\n[ \t]*#[ \t]*include[ \t]*([^\n]*)" do
    count = count + 1
    local name = rest:match '^"([^"\n]+)"'
    if name and (name:sub(1, 1) == "/" or not add(normal(folder .. name))) then return false end
    if not name and not rest:find "^<" then return false end
  end
  return count == select(2, content:gsub("#[ \t]*include", "")) -- each was at the start of a line
end

--- The paths, there or not; false where they cannot all be told.
---@param path string
---@param content string
---@return string[]|false
function M.of(path, content)
  local list, seen = {}, {[path] = true}
  local function add(name)
    if not name or #list == MAX_FILES then return false end
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
    return true
  end
  if not add_quoted(path, content, add) then return false end
  local at = 1
  while list[at] do
    local inner = fs.read(list[at])
    if inner and not add_quoted(list[at], inner, add) then return false end
    at = at + 1
  end
  return list
end

return M
