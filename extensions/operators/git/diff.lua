--- git.diff: choosing what to compare, then reading it.

local fs = require "fs"

local parse = require "parse"
local repo = require "repo"

local M = {}

local MAX_PATCH_BYTES = 8 << 20
local MAX_FILES = 20000
local MAX_PRESENT = 500
local MAX_UNTRACKED_BYTES = 1 << 20 -- a larger new file is listed without its text

--- What to compare: {words, base, scope, note, tree}; tree: the working tree takes part.
local function against_tree(base, label, note)
  return {words = {base}, base = label, scope = "working tree", note = note, tree = true}
end

local function whole_tree(head, note)
  local empty, message, code = repo.empty_tree()
  if not empty then return nil, message, code end
  return {words = {empty, head}, base = "nothing", scope = "whole tree", note = note}
end

local function range(base)
  local from, dots, to = base:match "^(.-)(%.%.%.?)(.-)$"
  local ends = {}
  for i, revision in ipairs {from, to} do
    local hash, message, code = repo.commit(revision == "" and "HEAD" or revision)
    if not hash then return nil, message, code end
    ends[i] = hash
  end
  return {words = {ends[1] .. dots .. ends[2]}, base = base, scope = "range", note = ""}
end

local function automatic(here, head)
  local r, message, code = repo.git({"status", "--porcelain", "-z", "--ignore-submodules=dirty", "--", "."},
    {reads_tree = true})
  if not r then return nil, message, code end
  if r.stdout ~= "" then return against_tree(head, "HEAD", "") end
  if repo.commit "HEAD^" then
    return {words = {"HEAD^", "HEAD"}, base = "HEAD^", scope = "last commit",
            note = "nothing is changed in the working tree, so this is the last commit"}
  end
  return whole_tree(head, here.shallow and "this shallow clone has one commit, so this is the whole tree"
    or "there is only one commit, so this is the whole tree")
end

local function choose(base, here)
  if base:find("..", 1, true) then return range(base) end
  local head = repo.commit "HEAD"
  if not head then
    if base ~= "auto" and base ~= "HEAD" then return repo.commit(base) end
    local empty, message, code = repo.empty_tree()
    if not empty then return nil, message, code end
    return against_tree(empty, "nothing", "there is no commit yet, so all files are new")
  end
  if base == "auto" then return automatic(here, head) end
  local hash, message, code = repo.commit(base)
  if not hash then return nil, message, code end
  return against_tree(hash, base, "")
end

local function diff_words(choice, extra, paths)
  local words = {"diff"}
  for _, list in ipairs {repo.DIFF, {"--relative"}, extra, choice.words, {"--"}, paths} do
    table.move(list, 1, #list, #words + 1, words)
  end
  return words
end

--- Whether the path is one of `paths` or below one.
local function wanted(path, paths)
  for _, p in ipairs(paths) do
    p = p:gsub("/+$", "")
    if p == "." or path == p or path:sub(1, #p + 1) == p .. "/" then return true end
  end
  return #paths == 0
end

local function untracked_names(paths)
  local r, message, code = repo.git({"ls-files", "--others", "--exclude-standard", "-z"})
  if not r then return nil, message, code end
  local names = {}
  for _, path in ipairs(parse.fields(r.stdout)) do
    if path:sub(-1) ~= "/" and wanted(path, paths) then names[#names + 1] = path end
  end
  return names
end

--- Adds new files that git does not know, with their text while the patch has room.
local function add_untracked(files, patch, paths)
  local names, message, code = untracked_names(paths)
  if not names then return nil, message, code end
  local pieces, room = {patch}, MAX_PATCH_BYTES - #patch
  for _, path in ipairs(names) do
    local file = {path = path, status = "untracked"}
    local stat = #files < MAX_FILES and fs.stat(path)
    local content = stat and stat.type == "file" and stat.size <= math.min(MAX_UNTRACKED_BYTES, room) and fs.read(path)
    if content then
      local text, lines, binary = parse.new_file_patch(path, content)
      file.added, file.removed = lines, 0
      if binary then file.binary, file.added, file.removed = true, nil, nil end
      pieces[#pieces + 1] = text
      room = room - #text
    elseif stat == nil or stat and stat.type ~= "file" then
      file.binary = true -- a device, or a link out of what may be read: nothing to look at
    end
    files[#files + 1] = file
  end
  return table.concat(pieces)
end

local function add_ranges(files, patch)
  local ranges = parse.ranges(patch)
  for _, file in ipairs(files) do file.ranges = ranges[file.path] end
end

local function present(files)
  local list = {}
  for _, file in ipairs(files) do
    if file.status ~= "deleted" and not file.binary and not file.submodule then
      if #list == MAX_PRESENT then return list, true end
      list[#list + 1] = {path = file.path, ranges = file.ranges}
    end
  end
  return list, false
end

local function read(choice, input)
  local paths = input.paths or {}
  local raw, message, code = repo.git(diff_words(choice, {"--raw", "--numstat", "-z"}, paths),
    {reads_tree = true, max_output = 64 << 20})
  if not raw then return nil, message, code end
  local files = parse.raw_numstat(raw.stdout)
  local full
  full, message, code = repo.git(diff_words(choice, {"-p", "-U" .. (input.context or 3)}, paths),
    {reads_tree = true, max_output = MAX_PATCH_BYTES + (64 << 10)})
  if not full then return nil, message, code end
  local patch = full.stdout
  if choice.tree and input.untracked ~= false then
    patch, message, code = add_untracked(files, patch, paths)
    if not patch then return nil, message, code end
  end
  return files, patch, full.dropped ~= nil
end

local function notes(choice, cut_patch, cut_files, cut_present)
  local list = {}
  if choice.note ~= "" then list[1] = choice.note end
  if cut_patch then list[#list + 1] = "the patch is cut after 8 MiB" end
  if cut_files then list[#list + 1] = ("the list is cut after %d files"):format(MAX_FILES) end
  if cut_present then list[#list + 1] = ("only the first %d files are looked at closely"):format(MAX_PRESENT) end
  return table.concat(list, "; ")
end

--- The operation.
---@param input {base: string?, untracked: boolean?, context: integer?, paths: string[]?}
---@return table?, string?, string?
function M.diff(input)
  local here, message, code = repo.here()
  if not here then return nil, message, code end
  local choice
  choice, message, code = choose(input.base or "HEAD", here)
  if not choice then return nil, message, code end
  local files, patch, dropped = read(choice, input)
  if not files then return nil, patch, dropped end -- message and code
  local cut, stat, added, removed
  patch, cut = parse.cut_patch(patch, MAX_PATCH_BYTES)
  cut = cut or dropped
  stat, added, removed = parse.stat(files)
  local cut_files = #files > MAX_FILES
  if cut_files then files = table.move(files, 1, MAX_FILES, 1, {}) end
  add_ranges(files, patch)
  local list, cut_present = present(files)
  return {
    files = files, present = list, patch = patch, stat = stat, summary = stat, base = choice.base, scope = choice.scope,
    added = added, removed = removed, note = notes(choice, cut, cut_files, cut_present),
    patch_truncated = cut, files_truncated = cut_files,
  }
end

return M
