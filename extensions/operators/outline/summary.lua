--- From a patch to a short text. Pure and deterministic: files in the patch's order of size, names in order of
--- appearance, no clock, no locale.

local symbols = require "symbols"

local M = {}

local MAX_NAMES = 6
local AREAS = {
  {"tests", "^tests?/", "/tests?/", "_test%.", "%.test%.", "_spec%.", "%.spec%.", "^spec/", "/spec/", "^test_",
    "/test_"},
  {"docs", "%.md$", "%.rst$", "%.adoc$", "^docs?/", "/docs?/", "^README", "^CHANGELOG", "^LICENSE"},
  {"build", "CMakeLists%.txt$", "%.cmake$", "Makefile$", "^%.github/", "^%.gitlab", "^%.ci/", "Dockerfile$",
    "package%.json$",
   "Cargo%.toml$", "Cargo%.lock$", "%-lock%.json$", "%.lock$", "go%.mod$", "go%.sum$", "pyproject%.toml$",
     "requirements.*%.txt$"},
}

local function unquote(name)
  return (name:gsub('^"(.*)"$', "%1"):gsub("\t$", ""))
end

local function new_file(line)
  local a, b = line:match "^diff %-%-git a/(.-) b/(.*)$"
  local path = b or line:match '^diff %-%-git ".-" "b/(.*)"$' or line:match "^diff %-%-git (.*)$" or "?"
  return {path = unquote(path), old = a, added = 0, removed = 0, names = {}, new_names = {}, gone_names = {}, seen = {}}
end

local function note(file, list, name)
  if not name or file.seen[name] then return end
  file.seen[name] = true
  list[#list + 1] = name
end

--- The lines between two hunk headers.
local function body_line(file, line)
  local first = line:sub(1, 1)
  if first == "+" then
    file.added = file.added + 1
    note(file, file.new_names, symbols.defined(file.ending, line:sub(2)))
  elseif first == "-" then
    file.removed = file.removed + 1
    local name = symbols.defined(file.ending, line:sub(2))
    if name then file.gone_names[#file.gone_names + 1] = name end
  end
end

local function head_line(file, line)
  if line:find "^new file" then file.status = "new" end
  if line:find "^deleted file" then file.status = "deleted" end
  if line:find "^rename from " then file.status, file.old = "renamed", line:sub(13) end
  if line:find "^Binary files" or line:find "^GIT binary patch" then file.binary = true end
end

--- The files of a patch with sizes and names.
---@param patch string
---@return table[]
function M.files(patch)
  local files, file, left_old, left_new = {}, nil, 0, 0
  for line in patch:gmatch "([^\n]*)\n?" do
    if file and (left_old > 0 or left_new > 0) then
      local first = line:sub(1, 1)
      body_line(file, line)
      if first ~= "+" and first ~= "\\" then left_old = left_old - 1 end
      if first ~= "-" and first ~= "\\" then left_new = left_new - 1 end
    elseif line:sub(1, 11) == "diff --git " then
      file = new_file(line)
      file.ending = file.path:lower():match "%.(%w+)$" or ""
      files[#files + 1] = file
    elseif file then
      local old, new, around = line:match "^@@ %-%d+(,?%d*) %+%d+(,?%d*) @@ ?(.*)$"
      if old then
        left_old, left_new = tonumber(old:sub(2)) or 1, tonumber(new:sub(2)) or 1
        note(file, file.names, symbols.around(file.ending, around))
      else
        head_line(file, line)
      end
    end
  end
  return files
end

local function area(path)
  for _, entry in ipairs(AREAS) do
    for i = 2, #entry do
      if path:find(entry[i]) then return entry[1] end
    end
  end
  return "source"
end

local function plural(n, word)
  return ("%d %s%s"):format(n, word, n == 1 and "" or "s")
end

local function size(added, removed)
  return ("+%d −%d"):format(added, removed)
end

local function quoted(names)
  local shown = {}
  for i = 1, math.min(#names, MAX_NAMES) do shown[i] = "`" .. names[i] .. "`" end
  local text = table.concat(shown, ", ")
  if #names > MAX_NAMES then text = text .. (" and %d more"):format(#names - MAX_NAMES) end
  return text
end

--- A name both removed and added was changed, not added.
local function sort_names(file)
  local gone, changed, new, removed, back = {}, {}, {}, {}, {}
  for _, name in ipairs(file.gone_names) do gone[name] = true end
  for _, name in ipairs(file.names) do changed[#changed + 1] = name end
  for _, name in ipairs(file.new_names) do
    back[name] = true
    local list = gone[name] and changed or new
    list[#list + 1] = name
  end
  for _, name in ipairs(file.gone_names) do
    if not back[name] and not file.seen[name] then
      file.seen[name] = true
      removed[#removed + 1] = name
    end
  end
  return changed, new, removed
end

local function describe(file)
  local head = ("- `%s`"):format(file.path)
  if file.status == "renamed" then head = head .. (" (was `%s`)"):format(file.old) end
  if file.binary then return head .. ": " .. (file.status and file.status .. " " or "") .. "binary" end
  local parts = {}
  if file.status and file.status ~= "renamed" then parts[1] = file.status end
  parts[#parts + 1] = size(file.added, file.removed)
  local line = head .. " " .. table.concat(parts, ", ")
  if file.status == "deleted" then return line end
  local changed, new, removed = sort_names(file)
  local what = {}
  if #changed > 0 then what[#what + 1] = "changes " .. quoted(changed) end
  if #new > 0 then what[#what + 1] = "adds " .. quoted(new) end
  if #removed > 0 then what[#what + 1] = "removes " .. quoted(removed) end
  return #what > 0 and line .. ": " .. table.concat(what, "; ") or line
end

local function areas_line(files)
  local counts, order = {}, {}
  for _, file in ipairs(files) do
    local name = area(file.path)
    if not counts[name] then
      counts[name] = {files = 0, added = 0, removed = 0}
      order[#order + 1] = name
    end
    local c = counts[name]
    c.files, c.added, c.removed = c.files + 1, c.added + file.added, c.removed + file.removed
  end
  if #order < 2 then return nil end
  table.sort(order, function (a, b)
    local x, y = counts[a], counts[b]
    local n, m = x.added + x.removed, y.added + y.removed
    if n ~= m then return n > m end
    return a < b
  end)
  local parts = {}
  for i, name in ipairs(order) do parts[i] = ("%s %s"):format(name, size(counts[name].added, counts[name].removed)) end
  return "By area: " .. table.concat(parts, ", ") .. "."
end

local function totals(files, partial)
  local added, removed, kinds = 0, 0, {new = 0, deleted = 0, renamed = 0}
  for _, file in ipairs(files) do
    added, removed = added + file.added, removed + file.removed
    if file.status then kinds[file.status] = kinds[file.status] + 1 end
  end
  local text = ("%s%s changed: %s"):format(partial and "the first " or "", plural(#files, "file"), size(added, removed))
  local extra = {}
  for _, name in ipairs {"new", "deleted", "renamed"} do
    if kinds[name] > 0 then extra[#extra + 1] = ("%d %s"):format(kinds[name], name) end
  end
  if #extra == 0 then return text, plural(#files, "file") .. " changed" end
  return ("%s (%s)"):format(text, table.concat(extra, ", ")), table.concat(extra, ", ")
end

--- The text, and in a few words what kinds of changes there are: how large they are is said by the diff.
---@param patch string
---@param max_files integer
---@param partial? boolean the patch was cut, so there is more than it shows
---@return string text, string summary
function M.text(patch, max_files, partial)
  local files = M.files(patch)
  if #files == 0 then return "Nothing changed.", "nothing changed" end
  local first, kinds = totals(files, partial)
  local lines, order = {first:gsub("^t", "T") .. "."}, {}
  lines[#lines + 1] = areas_line(files)
  lines[#lines + 1] = ""
  for i, file in ipairs(files) do order[i] = {file = file, at = i, size = file.added + file.removed} end
  table.sort(order, function (a, b)
    if a.size ~= b.size then return a.size > b.size end
    return a.at < b.at
  end)
  for i = 1, math.min(#order, max_files) do lines[#lines + 1] = describe(order[i].file) end
  if #order > max_files then lines[#lines + 1] = ("- and %s"):format(plural(#order - max_files, "smaller file")) end
  return table.concat(lines, "\n"), kinds
end

return M
