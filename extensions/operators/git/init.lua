--- The Git operator: it reads repositories and changes none.

local diff = require "diff"
local parse = require "parse"
local repo = require "repo"

local M = {diff = diff.diff}

local MAX_SHOWN_BYTES = 8 << 20

--- Paths of status are the repository's; ours are the project's, which may be a folder in it.
local function relative(files, prefix)
  local list = {}
  for _, file in ipairs(files) do
    if file.path:sub(1, #prefix) == prefix then
      file.path = file.path:sub(#prefix + 1)
      if file.old_path and file.old_path:sub(1, #prefix) == prefix then file.old_path = file.old_path:sub(
        #prefix + 1) end
      list[#list + 1] = file
    end
  end
  return list
end

function M.status()
  local here, message, code = repo.here()
  if not here then return nil, message, code end
  local r
  r, message, code = repo.git({"status", "--porcelain=v2", "--branch", "-z", "--ignore-submodules=dirty",
    "--untracked-files=all"},
    {reads_tree = true})
  if not r then return nil, message, code end
  local out = parse.status(r.stdout)
  out.files = relative(out.files, here.prefix)
  out.clean = #out.files == 0
  out.summary = out.clean and "clean" or ("%d changed"):format(#out.files)
  return out
end

function M.log(input)
  local here, message, code = repo.here()
  if not here then return nil, message, code end
  local hash
  hash, message, code = repo.commit(input.revision or "HEAD")
  if not hash then
    if not input.revision or input.revision == "HEAD" then return {commits = {}, summary = "no commits yet"} end
    return nil, message, code
  end
  local words = {"log", "--no-ext-diff", "--no-textconv", "--format=" .. parse.COMMIT_FORMAT, "-n",
    tostring(input.max or 50), hash, "--"}
  words[#words + 1] = input.path
  local r
  r, message, code = repo.git(words)
  if not r then return nil, message, code end
  local commits = parse.commits(r.stdout)
  return {commits = commits, summary = ("%d commit%s"):format(#commits, #commits == 1 and "" or "s")}
end

local function show_file(hash, path)
  local name = ("%s:./%s"):format(hash, path)
  local r, message, code = repo.git({"cat-file", "blob", name}, {ok = 128, max_output = MAX_SHOWN_BYTES})
  if not r then return nil, message, code end
  if r.exit_code ~= 0 then return nil, ("there is no file `%s` at %s"):format(path, hash:sub(1, 12)), "not_found" end
  if r.dropped then return nil, ("`%s` is larger than 8 MiB"):format(path), "invalid_value" end
  return {hash = hash, content = r.stdout, size = #r.stdout, summary = ("%d bytes"):format(#r.stdout)}
end

function M.show(input)
  local here, message, code = repo.here()
  if not here then return nil, message, code end
  local hash
  hash, message, code = repo.commit(input.revision or "HEAD")
  if not hash then return nil, message, code end
  if input.path then return show_file(hash, input.path) end
  local about
  about, message, code = repo.git {"show", "-s", "--format=" .. parse.COMMIT_FORMAT, hash, "--"}
  if not about then return nil, message, code end
  local patch
  patch, message, code = repo.git({"show", "--no-ext-diff", "--no-textconv", "-M", "--format=", "-p",
    "--first-parent", hash, "--"},
    {max_output = MAX_SHOWN_BYTES})
  if not patch then return nil, message, code end
  local out = parse.commits(about.stdout)[1]
  out.patch, out.patch_truncated = parse.cut_patch(patch.stdout, MAX_SHOWN_BYTES)
  out.patch_truncated = out.patch_truncated or patch.dropped ~= nil
  out.summary = out.subject
  return out
end

function M.blame(input)
  local here, message, code = repo.here()
  if not here then return nil, message, code end
  local words = {"blame", "--line-porcelain", "--no-textconv"}
  if input.from or input.to then
    words[#words + 1] = ("-L%d,%s"):format(input.from or 1, input.to and tostring(input.to) or "")
  end
  if input.revision then
    local hash
    hash, message, code = repo.commit(input.revision)
    if not hash then return nil, message, code end
    words[#words + 1] = hash
  end
  words[#words + 1] = "--"
  words[#words + 1] = input.path
  local r
  r, message, code = repo.git(words, {reads_tree = true})
  if not r then return nil, message, code end
  if r.dropped then return nil, "the file is too large to blame in one piece; give from and to", "invalid_value" end
  return {lines = parse.blame(r.stdout)}
end

return M
