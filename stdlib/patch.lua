--- Patches in the unified format, as `diff -u` and Git write them, into tables. `diff.parse` is this module's.

local M = {}

local ESCAPES = {n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", f = "\f", v = "\v", ['"'] = '"', ["\\"] = "\\"}

--- A path as patches have it: perhaps in quotes, perhaps with a time behind a tab.
local function read_path(text)
  local inner = text:match '^"(.*)"'
  if not inner then return (text:gsub("\t.*$", "")) end
  inner = inner:gsub("\\(%d%d%d)", function (digits) return string.char(tonumber(digits, 8) & 255) end)
  return (inner:gsub("\\(.)", ESCAPES))
end

local function without_prefix(path)
  if not path or path == "/dev/null" then return nil end
  return path:match "^[^/]/(.+)$" or path
end

---@class diff.hunk
---@field old_start integer
---@field old_count integer
---@field new_start integer
---@field new_count integer
---@field section string what stands behind the second @@
---@field lines diff.line[]

---@class diff.file
---@field old_path? string nil: the file is new
---@field new_path? string nil: the file was deleted
---@field status "added"|"deleted"|"modified"|"renamed"|"copied"
---@field binary boolean
---@field hunks diff.hunk[]

local function split(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n?" do lines[#lines + 1] = line end
  return lines
end

local function new_file(files)
  local file = {status = "modified", binary = false, hunks = {}}
  files[#files + 1] = file
  return file
end

--- Both paths of "diff --git a/x b/x", where they are plain and equal; the lines that follow say more.
local function git_paths(file, rest)
  local length = (#rest - 1) // 2
  local old, new = without_prefix(read_path(rest:sub(1, length))), without_prefix(read_path(rest:sub(length + 2)))
  if old == new then file.old_path, file.new_path = old, new end
end

--- Lines before the first hunk of a file. A pattern, and what it tells.
local HEADERS = {
  {"^new file mode", function (file) file.status, file.old_path = "added", nil end},
  {"^deleted file mode", function (file) file.status, file.new_path = "deleted", nil end},
  {"^rename from (.*)", function (file, path) file.status, file.old_path = "renamed", read_path(path) end},
  {"^rename to (.*)", function (file, path) file.new_path = read_path(path) end},
  {"^copy from (.*)", function (file, path) file.status, file.old_path = "copied", read_path(path) end},
  {"^copy to (.*)", function (file, path) file.new_path = read_path(path) end},
  {"^Binary files ", function (file) file.binary = true end},
  {"^GIT binary patch", function (file) file.binary = true end},
}

local function read_header(file, line)
  for _, entry in ipairs(HEADERS) do
    local found = line:match(entry[1])
    if found then return entry[2](file, found) end
  end
end

local function name_sides(file, old, new)
  local old_path, new_path = without_prefix(read_path(old)), without_prefix(read_path(new))
  file.old_path, file.new_path = old_path, new_path
  if not old_path then file.status = "added" elseif not new_path then file.status = "deleted" end
end

--- Reads the lines of a hunk behind its header at `at`; returns where the next line is, or nil, message.
local function read_hunk(lines, at, hunk)
  local old_left, new_left, old, new = hunk.old_count, hunk.new_count, hunk.old_start, hunk.new_start
  while old_left > 0 or new_left > 0 do
    local line = lines[at]
    if not line then return nil, "the last hunk is cut off" end
    local kind, text = line:sub(1, 1), line:sub(2)
    if kind == "" then kind = " " end
    if kind == "\\" then
      if #hunk.lines > 0 then hunk.lines[#hunk.lines].no_newline = true end
    elseif kind == " " or kind == "-" or kind == "+" then
      local entry = {kind = kind, text = text, old = kind ~= "+" and old or nil, new = kind ~= "-" and new or nil}
      if kind ~= "+" then old, old_left = old + 1, old_left - 1 end
      if kind ~= "-" then new, new_left = new + 1, new_left - 1 end
      hunk.lines[#hunk.lines + 1] = entry
    else
      return nil, ("line %d does not belong into a hunk"):format(at)
    end
    at = at + 1
  end
  if lines[at] and lines[at]:sub(1, 1) == "\\" then
    hunk.lines[#hunk.lines].no_newline = true
    at = at + 1
  end
  return at
end

local function read_hunk_header(line)
  local old, old_count, new, new_count, section = line:match "^@@ %-(%d+),?(%d*) %+(%d+),?(%d*) @@ ?(.*)$"
  if not old then return nil end
  return {
    old_start = tonumber(old), old_count = tonumber(old_count) or 1, new_start = tonumber(new),
    new_count = tonumber(new_count) or 1, section = section, lines = {},
  }
end

--- Reads a patch in the unified format, Git's headers included.
---@param patch string
---@return diff.file[]? files
---@return string? message
---@return string? code
function M.parse(patch)
  local lines, files, file, at = split(patch), {}, nil, 1
  while at <= #lines do
    local line = lines[at]
    local hunk = file and read_hunk_header(line)
    local following = lines[at + 1]
    local git = line:match "^diff %-%-git (.*)$"
    if hunk then
      file.hunks[#file.hunks + 1] = hunk
      local next_at, message = read_hunk(lines, at + 1, hunk)
      if not next_at then return nil, message, "invalid_value" end
      at = next_at
    elseif git then
      file = new_file(files)
      git_paths(file, git)
      at = at + 1
    elseif line:find "^%-%-%- " and following and following:find "^%+%+%+ " then
      if not file or #file.hunks > 0 then file = new_file(files) end
      name_sides(file, line:sub(5), following:sub(5))
      at = at + 2
    else
      if file and #file.hunks == 0 then read_header(file, line) end
      at = at + 1
    end
  end
  return files
end

return M
