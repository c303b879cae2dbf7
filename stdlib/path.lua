--- Paths as text: nothing here looks at the disk. Separators are `/`.

local M = {}

--- Whether a path starts at the root.
---@param path string
---@return boolean
function M.is_absolute(path) return path:sub(1, 1) == "/" end

--- The parts joined with single slashes; an absolute part starts anew, empty ones are left out.
---@param ... string
---@return string
function M.join(...)
  local out = ""
  for _, part in ipairs {...} do
    if part:sub(1, 1) == "/" or out == "" then
      out = part == "" and out or part
    elseif part ~= "" then
      out = out:sub(-1) == "/" and out .. part or out .. "/" .. part
    end
  end
  return out
end

--- The path without `.`, double slashes and, where something is left of it, `..`. "" becomes ".".
---@param path string
---@return string
function M.normal(path)
  local absolute, names = M.is_absolute(path), {}
  for name in path:gmatch "[^/]+" do
    if name == ".." and #names > 0 and names[#names] ~= ".." then
      names[#names] = nil
    elseif name ~= "." and not (name == ".." and absolute) then
      names[#names + 1] = name
    end
  end
  local text = table.concat(names, "/")
  if absolute then return "/" .. text end
  return text == "" and "." or text
end

--- The names of a path, in order; a leading slash is left out.
---@param path string
---@return string[]
function M.split(path)
  local names = {}
  for name in path:gmatch "[^/]+" do names[#names + 1] = name end
  return names
end

--- The folder that holds the last name: "a/b" of "a/b/c", "." of "a", "/" of "/a".
---@param path string
---@return string
function M.dirname(path)
  local trimmed = path:gsub("(.)/+$", "%1")
  local dir = trimmed:match "^(.*)/[^/]*$"
  if not dir then return "." end
  dir = dir:gsub("(.)/+$", "%1")
  return dir == "" and "/" or dir
end

--- The last name of a path: "c" of "a/b/c/", "/" of "/".
---@param path string
---@return string
function M.basename(path)
  local trimmed = path:gsub("(.)/+$", "%1")
  return trimmed == "/" and "/" or trimmed:match "[^/]*$"
end

--- The ending with its dot: ".gz" of "a.tar.gz", "" of "a" and of ".bashrc".
---@param path string
---@return string
function M.extension(path) return M.basename(path):match "^.+(%.[^.]*)$" or "" end

--- The last name without its ending: "a.tar" of "x/a.tar.gz".
---@param path string
---@return string
function M.stem(path)
  local name = M.basename(path)
  return name:sub(1, #name - #M.extension(path))
end

--- The way from the folder `base` to `path`, both absolute or both relative to the same folder.
---@param path string
---@param base string
---@return string? relative nil when one is absolute and the other is not, or `base` climbs out by `..`
---@return string? message
---@return string? code
function M.relative(path, base)
  path, base = M.normal(path), M.normal(base)
  if M.is_absolute(path) ~= M.is_absolute(base) then
    return nil, "one path is absolute and the other is not", "invalid_value"
  end
  local to, from = path == "." and {} or M.split(path), base == "." and {} or M.split(base)
  local same = 0
  while same < #to and same < #from and to[same + 1] == from[same + 1] do same = same + 1 end
  local names = {}
  for i = same + 1, #from do
    if from[i] == ".." then return nil, "the base climbs out of what is known", "invalid_value" end
    names[#names + 1] = ".."
  end
  table.move(to, same + 1, #to, #names + 1, names)
  return #names == 0 and "." or table.concat(names, "/")
end

return M
