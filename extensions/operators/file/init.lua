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

function M.glob(input)
  local patterns = glob.expand(input.pattern)
  if not patterns then return nil, "the pattern has too many alternatives", "invalid_value" end
  local seen, list, cut = {}, {}, false
  for _, pattern in ipairs(patterns) do
    local found, message, code = fs.glob(pattern, {stat = true, max = MAX_FILES})
    if not found then return nil, message, code end
    cut = cut or #found == MAX_FILES
    for _, file in ipairs(found) do
      if not seen[file.path] then list[#list + 1] = {path = file.path, size = file.size} end
      seen[file.path] = true
    end
  end
  table.sort(list, by_path)
  return {files = list, truncated = cut, summary = ("%d file%s"):format(#list, #list == 1 and "" or "s")}
end

function M.stat(input)
  local stat, message, code = fs.stat(input.path)
  if not stat then
    if code == "not_found" then return {path = input.path, exists = false} end
    return nil, message, code
  end
  return {
    path = input.path, exists = true, type = stat.type, size = stat.size,
    modified_at = os.date("!%Y-%m-%dT%H:%M:%SZ", stat.mtime_ms // 1000),
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
  local stat, message, code = fs.stat(input.from)
  if not stat then return nil, message, code end
  local ok
  ok, message, code = free(input.to, input.overwrite)
  if not ok then return nil, message, code end
  ok, message, code = fs.copy(input.from, input.to)
  if not ok then return nil, message, code end
  return {path = input.to, size = stat.size}
end

function M.move(input)
  local ok, message, code = fs.stat(input.from)
  if not ok then return nil, message, code end
  ok, message, code = free(input.to, input.overwrite)
  if not ok then return nil, message, code end
  ok, message, code = fs.move(input.from, input.to)
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
