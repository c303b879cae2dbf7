--- Which files are searched: what Git knows or would add, else a walk that leaves out the usual folders.

local fs = require "fs"
local process = require "process"

local M = {}

local MAX_FILES = 50000
local MAX_DEPTH = 40
M.MAX_FILE_BYTES = 5 << 20

local IGNORED = {
  [".git"] = true, [".hg"] = true, [".svn"] = true, [".symphony"] = true, node_modules = true, __pycache__ = true,
  [".venv"] = true, [".tox"] = true, [".cache"] = true, target = true, build = true, dist = true,
}

local GIT = {
  "git", "--no-optional-locks", "--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=", "-c",
    "core.hooksPath=/dev/null",
  "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--",
}

--- From Git: the files at or below `paths`; nil outside a repository or without git.
local function from_git(paths)
  local argv = table.move(paths, 1, #paths, #GIT + 1, table.move(GIT, 1, #GIT, 1, {}))
  -- `reads = false`: the index, the rules of what is ignored and every folder decide, so this is not kept
  local r = process.run {
    argv = argv, reads = false, env = {LC_ALL = "C", GIT_OPTIONAL_LOCKS = "0"}, max_output = 64 << 20,
  }
  if not r or r.exit_code ~= 0 then return nil end
  local list = {}
  for path in r.stdout:gmatch "([^\0]+)\0" do
    if #list == MAX_FILES then return list, true end
    list[#list + 1] = path
  end
  return list, r.dropped ~= nil
end

--- Appends the files below a folder, by name; true when there are too many.
local function walk(folder, depth, list)
  local entries = fs.list(folder)
  if not entries then return false end
  table.sort(entries, function (a, b) return a.name < b.name end)
  for _, entry in ipairs(entries) do
    local path = folder == "." and entry.name or folder .. "/" .. entry.name
    if entry.type == "file" then
      if #list == MAX_FILES then return true end
      list[#list + 1] = path
    elseif entry.type == "directory" and not IGNORED[entry.name] and depth < MAX_DEPTH then
      if walk(path, depth + 1, list) then return true end
    end
  end
  return false
end

local function from_walk(paths)
  local list, cut = {}, false
  for _, path in ipairs(#paths > 0 and paths or {"."}) do
    local stat = fs.stat(path)
    if stat and stat.type == "directory" then cut = walk(path, 1, list) or cut end
    if stat and stat.type == "file" then list[#list + 1] = path end
  end
  return list, cut
end

--- The files to look at: {path, ranges?} each. Named files are taken even when Git ignores them.
---@param paths (string|{path: string, ranges: integer[][]?})[]?
---@return {path: string, ranges: integer[][]?}[] files, boolean cut
function M.select(paths)
  local out, folders, cut = {}, {}, false
  if paths and #paths == 0 then return out, false end
  for _, item in ipairs(paths or {}) do
    local path = type(item) == "table" and item.path or item
    if type(path) == "string" then
      local stat = fs.stat(path)
      if stat and stat.type == "file" then out[#out + 1] = {path = path, ranges = type(item) == "table"
        and item.ranges or nil} end
      if stat and stat.type == "directory" then folders[#folders + 1] = path end
    end
  end
  if not paths or #folders > 0 then
    local list
    list, cut = from_git(folders)
    if not list then list, cut = from_walk(folders) end
    for _, path in ipairs(list) do out[#out + 1] = {path = path} end
  end
  return out, cut
end

--- The text of a file, or nil when it is binary, too large, gone or no file.
---@param path string
---@return string?
function M.text(path)
  local stat = fs.stat(path)
  if not stat or stat.type ~= "file" or stat.size > M.MAX_FILE_BYTES or stat.size == 0 then return nil end
  local content = fs.read(path)
  if not content or content:sub(1, 8192):find("\0", 1, true) then return nil end
  return content
end

return M
