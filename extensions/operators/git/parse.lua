--- What git prints, as tables. Pure: bytes in, tables out; paths stay bytes.

local M = {}

local STATUS = {
  A = "added", M = "modified", D = "deleted", R = "renamed", C = "copied", T = "type_changed", U = "conflicted",
}
local SUBMODULE_MODE = "160000"

--- Splits at NUL; a last NUL ends the last piece.
---@param text string
---@return string[]
function M.fields(text)
  local list = {}
  for piece in text:gmatch "([^\0]*)\0" do list[#list + 1] = piece end
  return list
end

--- `git diff --raw --numstat -z`: the raw records, then the counts.
---@param text string
---@return table[] files in git's order
function M.raw_numstat(text)
  local parts, files, by_path, i = M.fields(text), {}, {}, 1
  while parts[i] do
    local old_mode, new_mode, letter = parts[i]:match "^:(%d+) (%d+) %x+ %x+ (%a)"
    if letter then
      local file = {path = parts[i + 1], status = STATUS[letter] or "modified"}
      i = i + 2
      if letter == "R" or letter == "C" then
        file.old_path, file.path = file.path, parts[i]
        i = i + 1
      end
      if old_mode == SUBMODULE_MODE or new_mode == SUBMODULE_MODE then file.submodule = true end
      if not by_path[file.path] then files[#files + 1] = file end
      by_path[file.path] = file
    else
      local added, removed, path = parts[i]:match "^(%S+)\t(%S+)\t(.*)$"
      i = i + 1
      if path == "" then -- renamed: old and new follow
        path = parts[i + 1]
        i = i + 2
      end
      local file = by_path[path]
      if file then
        file.added, file.removed = tonumber(added), tonumber(removed)
        if added == "-" then file.binary = true end
      end
    end
  end
  return files
end

--- `git status --porcelain=v2 --branch -z`.
---@param text string
---@return table
function M.status(text)
  local parts, out, i = M.fields(text), {files = {}}, 1
  while parts[i] do
    local entry = parts[i]
    local kind = entry:sub(1, 1)
    i = i + 1
    if kind == "#" then
      local name, value = entry:match "^# branch%.(%S+) (.*)$"
      if name == "oid" and value ~= "(initial)" then out.commit = value end
      if name == "head" and value ~= "(detached)" then out.branch = value end
      if name == "upstream" then out.upstream = value end
      if name == "ab" then
        local ahead, behind = value:match "^%+(%d+) %-(%d+)$"
        out.ahead, out.behind = math.tointeger(tonumber(ahead)), math.tointeger(tonumber(behind))
      end
    elseif kind == "1" or kind == "2" then
      local skip = kind == "1" and 6 or 7
      local x, y, rest = entry:match("^%d (.)(.) " .. ("%S+ "):rep(skip) .. "(.*)$")
      local letter = x ~= "." and x or y
      local file = {path = rest, status = STATUS[letter] or "modified", staged = x ~= "."}
      if kind == "2" then
        file.old_path = parts[i]
        i = i + 1
      end
      out.files[#out.files + 1] = file
    elseif kind == "u" then
      local rest = entry:match("^u .. " .. ("%S+ "):rep(8) .. "(.*)$")
      out.files[#out.files + 1] = {path = rest, status = "conflicted", staged = false}
    elseif kind == "?" then
      out.files[#out.files + 1] = {path = entry:sub(3), status = "untracked", staged = false}
    end
  end
  out.clean = #out.files == 0
  return out
end

--- The format for `git log` and `git show -s`: seven fields a commit, each ended by NUL.
M.COMMIT_FORMAT = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%s%x00%b%x00"
local COMMIT_FIELDS = 7

---@param text string
---@return table[]
function M.commits(text)
  local list, f = {}, M.fields(text)
  for i = 1, #f - COMMIT_FIELDS + 1, COMMIT_FIELDS do
    local parents = {}
    for hash in f[i + 1]:gmatch "%x+" do parents[#parents + 1] = hash end
    list[#list + 1] = {
      hash = f[i]:gsub("^%s+", ""), parents = parents, author = f[i + 2], email = f[i + 3], date = f[i + 4],
      subject = f[i + 5], body = (f[i + 6]:gsub("%s+$", "")),
    }
    list[#list].hash = f[i]:match "%x+"
  end
  return list
end

local function iso_date(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", tonumber(seconds))
end

--- `git blame --line-porcelain`.
---@param text string
---@return table[]
function M.blame(text)
  local lines, now = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local hash, number = line:match "^(%x+) %d+ (%d+)"
    if line:sub(1, 1) == "\t" then
      now.text = line:sub(2)
      lines[#lines + 1] = now
      now = nil
    elseif not now and hash then
      now = {hash = hash, line = math.tointeger(tonumber(number))}
    elseif now then
      local key, value = line:match "^(%S+) (.*)$"
      if key == "author" then now.author = value end
      if key == "author-time" then now.date = iso_date(value) end
      if key == "summary" then now.subject = value end
    end
  end
  return lines
end

local ESCAPES = {a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v"}

--- A name as a patch has it: quoted when it has odd bytes in it.
---@param name string
---@return string
function M.unquote(name)
  local inner = name:match '^"(.*)"$'
  if not inner then return name end
  return (inner:gsub("\\(%d%d%d)", function (octal) return string.char(tonumber(octal, 8) & 255) end)
    :gsub("\\(.)", function (c) return ESCAPES[c] or c end))
end

--- The lines each file gains, from a patch.
---@param patch string
---@return table<string, integer[][]> path → {{first, last}, …}
function M.ranges(patch)
  local by_path, ranges, line, left_new, left_old, open = {}, nil, 0, 0, 0, nil
  for text in patch:gmatch "([^\n]*)\n?" do
    local first = text:sub(1, 1)
    if left_new > 0 or left_old > 0 then
      if first == "+" then
        if open and open[2] == line - 1 then
          open[2] = line
        elseif ranges then
          open = {line, line}
          ranges[#ranges + 1] = open
        end
        line, left_new = line + 1, left_new - 1
      elseif first == "-" then
        left_old = left_old - 1
      elseif first ~= "\\" then
        line, left_new, left_old = line + 1, left_new - 1, left_old - 1
      end
    elseif text:sub(1, 4) == "+++ " then
      local path = M.unquote((text:sub(5):gsub("\t$", "")))
      ranges, open = nil, nil
      if path:sub(1, 2) == "b/" then
        ranges = {}
        by_path[path:sub(3)] = ranges
      end
    else
      local old_count, start, count = text:match "^@@ %-%d+,?(%d*) %+(%d+),?(%d*) @@"
      if start then
        line, open = math.tointeger(tonumber(start)), nil
        left_new = count == "" and 1 or math.tointeger(tonumber(count))
        left_old = old_count == "" and 1 or math.tointeger(tonumber(old_count))
      end
    end
  end
  return by_path
end

local LETTERS = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\"}

--- A path as Git writes it into a patch: in quotes where a letter of it would break the line.
local function quoted(path)
  if not path:find('[%c"\\]') then return path end
  return '"' .. path:gsub('[%c"\\]', function (c) return LETTERS[c] or ("\\%03o"):format(c:byte()) end) .. '"'
end

--- A new file's text as a patch. Binary content (a NUL in the first 8 KiB) becomes one line that says so.
---@param path string
---@param content string
---@return string patch, integer lines, boolean binary
function M.new_file_patch(path, content)
  local new = quoted("b/" .. path)
  local head = ("diff --git %s %s\nnew file mode 100644\n"):format(quoted("a/" .. path), new)
  if content:sub(1, 8192):find("\0", 1, true) then
    return head .. "Binary files /dev/null and " .. new .. " differ\n", 0, true
  end
  if content == "" then return head, 0, false end
  local _, lines = content:gsub("\n", "\n")
  local ends = content:sub(-1) == "\n"
  if not ends then lines = lines + 1 end
  local body = ends and content:sub(1, -2) or content
  return ("%s--- /dev/null\n+++ %s\n@@ -0,0 +1,%d @@\n+%s\n%s"):format(
    head, new, lines, body:gsub("\n", "\n+"), ends and "" or "\\ No newline at end of file\n"), lines, false
end

--- "12 files +340 −28"
---@param files table[]
---@return string text, integer added, integer removed
function M.stat(files)
  local added, removed = 0, 0
  for _, file in ipairs(files) do
    added, removed = added + (file.added or 0), removed + (file.removed or 0)
  end
  if #files == 0 then return "no changes", 0, 0 end
  return ("%d file%s +%d −%d"):format(#files, #files == 1 and "" or "s", added, removed), added, removed
end

--- Cuts a patch before the first file that does not fit any more.
---@param patch string
---@param max integer bytes
---@return string patch, boolean cut
function M.cut_patch(patch, max)
  if #patch <= max then return patch, false end
  local at, last = 1, nil
  while true do
    local found = patch:find("\ndiff --git ", at, true)
    if not found or found > max then break end
    last, at = found, found + 1
  end
  if last then return patch:sub(1, last), true end
  local line = patch:sub(1, max):match "^.*\n"
  return line or patch:sub(1, max), true
end

return M
