--- The file operator.

local fs = require "fs"

local glob = require "glob"

local M = {}

local MAX_READ_BYTES = 15 << 20 -- a value holds 16 MiB
local MAX_FILES = 50000
local MAX_DEPTH = 64

function M.read(input)
  local stat, message, code = fs.stat(input.path)
  if not stat then return nil, message, code end
  if stat.type == "directory" then return nil, ("`%s` is a folder"):format(input.path), "invalid_value" end
  if stat.size > MAX_READ_BYTES then
    return nil, ("`%s` has %d bytes, more than 15 MiB; give the path to a program instead"):format(input.path,
      stat.size), "invalid_value"
  end
  local content
  content, message, code = fs.read(input.path)
  if not content then return nil, message, code end
  return {content = content, size = #content, summary = ("%d bytes"):format(#content)}
end

--- Makes the folders above a path.
local function make_parents(path)
  local parent = path:match "^(.*)/[^/]*$"
  if not parent or parent == "" or fs.stat(parent) then return true end
  local ok, message, code = make_parents(parent)
  if not ok then return nil, message, code end
  return fs.mkdir(parent)
end

function M.write(input)
  local ok, message, code = make_parents(input.path)
  if not ok then return nil, message, code end
  ok, message, code = fs.write(input.path, input.content)
  if not ok then return nil, message, code end
  return {path = input.path, size = #input.content, summary = ("%d bytes"):format(#input.content)}
end

local function by_path(a, b)
  return a.path < b.path
end

function M.list(input)
  local folder = input.path or "."
  local entries, message, code = fs.list(folder)
  if not entries then return nil, message, code end
  local list = {}
  for _, entry in ipairs(entries) do
    local path = folder == "." and entry.name or folder:gsub("/+$", "") .. "/" .. entry.name
    local stat = fs.stat(path) -- nil for what is not granted, such as .symphony
    if stat then list[#list + 1] = {path = path, size = stat.size, type = stat.type} end
  end
  table.sort(list, by_path)
  local cut = #list > MAX_FILES
  if cut then list = table.move(list, 1, MAX_FILES, 1, {}) end
  return {files = list, truncated = cut, summary = ("%d entries"):format(#list)}
end

--- Walks with the parts of a pattern from `at` on; found paths are keys of `found`.
local function walk(folder, parts, at, found, depth)
  local part = parts[at]
  if not part or depth > MAX_DEPTH or found.count >= MAX_FILES then return end
  if part.any then walk(folder, parts, at + 1, found, depth) end
  if part.any and not parts[at + 1] then part = {any = true, last = true} end
  for _, entry in ipairs(fs.list(folder == "" and "." or folder) or {}) do
    local path = folder == "" and entry.name or folder .. "/" .. entry.name
    local is_folder = entry.type == "directory"
    if part.any then
      local hidden = entry.name:sub(1, 1) == "."
      if is_folder and not hidden then walk(path, parts, at, found, depth + 1) end
      if part.last and not is_folder and not hidden then found.add(path) end
    elseif glob.matches(part, entry.name) then
      if parts[at + 1] then
        if is_folder then walk(path, parts, at + 1, found, depth + 1) end
      elseif not is_folder then
        found.add(path)
      end
    end
  end
end

local function collector()
  local found = {count = 0, seen = {}}
  function found.add(path)
    if found.seen[path] or found.count >= MAX_FILES then return end
    found.seen[path] = true
    found.count = found.count + 1
  end
  return found
end

function M.glob(input)
  local patterns = glob.expand(input.pattern)
  if not patterns then return nil, "the pattern has too many alternatives", "invalid_value" end
  local found, list = collector(), {}
  for _, pattern in ipairs(patterns) do walk("", glob.parts(pattern), 1, found, 1) end
  for path in pairs(found.seen) do
    local stat = fs.stat(path)
    if stat then list[#list + 1] = {path = path, size = stat.size} end
  end
  table.sort(list, by_path)
  return {files = list, truncated = found.count >= MAX_FILES, summary = ("%d files"):format(#list)}
end

function M.stat(input)
  local stat, message, code = fs.stat(input.path)
  if not stat then
    if code == "not_found" then return {path = input.path, exists = false} end
    return nil, message, code
  end
  return {
    path = input.path, exists = true, type = stat.type, size = stat.size,
    modified_at = stat.mtime and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(stat.mtime)) or nil,
  }
end

--- Whether something may be put at `to`.
local function free(to, overwrite)
  local there = fs.stat(to)
  if not there then return make_parents(to) end
  if there.type == "directory" then return nil, ("`%s` is a folder"):format(to), "invalid_value" end
  if overwrite then return true end
  return nil, ("`%s` exists; say overwrite = true to replace it"):format(to), "invalid_value"
end

function M.copy(input)
  local content, message, code = M.read {path = input.from}
  if not content then return nil, message, code end
  local ok
  ok, message, code = free(input.to, input.overwrite)
  if not ok then return nil, message, code end
  ok, message, code = fs.write(input.to, content.content)
  if not ok then return nil, message, code end
  return {path = input.to, size = content.size}
end

function M.move(input)
  local ok, message, code = fs.stat(input.from)
  if not ok then return nil, message, code end
  ok, message, code = free(input.to, input.overwrite)
  if not ok then return nil, message, code end
  ok, message, code = fs.rename(input.from, input.to)
  if not ok then return nil, message, code end
  return {path = input.to}
end

--- Removes a path and what is below it; how many, or nil, message, code.
local function remove_all(path, depth)
  local count, stat = 0, fs.stat(path)
  if stat and stat.type == "directory" and depth < MAX_DEPTH then
    local entries, message, code = fs.list(path)
    if not entries then return nil, message, code end
    for _, entry in ipairs(entries) do
      local n
      n, message, code = remove_all(path .. "/" .. entry.name, depth + 1)
      if not n then return nil, message, code end
      count = count + n
    end
  end
  local ok, message, code = fs.remove(path)
  if not ok and code ~= "not_found" then return nil, message, code end
  return count + (ok and 1 or 0)
end

function M.remove(input)
  local path = input.path:gsub("(.)/+$", "%1")
  if path == "" or path == "." or path == "/" then return nil, "the project itself is not removed", "invalid_value" end
  local stat, message, code = fs.stat(path)
  if not stat and code == "permission_denied" then return nil, message, code end
  if stat and stat.type == "directory" and not input.recursive and #(fs.list(path) or {}) > 0 then
    return nil, ("`%s` is a folder that is not empty; say recursive = true"):format(path), "invalid_value"
  end
  local count
  count, message, code = remove_all(path, 1)
  if not count then return nil, message, code end
  return {path = path, removed = count}
end

return M
