--- Running git: hardened against the repository's own configuration, never a pager, a terminal or a lock.

local process = require "process"

local parse = require "parse"

local M = {}

local HARDENED = {
  "git", "--no-optional-locks", "--no-pager", "--literal-pathspecs",
  "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false",
  "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "color.ui=false", "-c",
    "log.showSignature=false",
  "-c", "submodule.recurse=false",
}
local ENVIRONMENT = {
  GIT_TERMINAL_PROMPT = "0", GIT_OPTIONAL_LOCKS = "0", GIT_PAGER = "cat", LC_ALL = "C", GIT_ASKPASS = "true",
  GIT_EXTERNAL_DIFF = "", GIT_ALLOW_PROTOCOL = "none", GIT_NO_LAZY_FETCH = "1",
}

--- What a diff may never do: call a program that the repository names.
M.DIFF = {"--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "-M"}

local function copied(list)
  return table.move(list, 1, #list, 1, {})
end

--- Filters that the repository's own configuration defines would run when git reads the working tree.
local function disarm(env, argv)
  argv[#argv + 1] = "config"
  for _, word in ipairs {"--local", "--includes", "--name-only", "-z", "--get-regexp",
    [[^filter\..*\.(clean|smudge|process|required)$]]} do
    argv[#argv + 1] = word
  end
  local found = process.run {argv = argv, env = env}
  if not found or found.exit_code ~= 0 then return env end
  local count = 0
  for _, key in ipairs(parse.fields(found.stdout)) do
    env["GIT_CONFIG_KEY_" .. count] = key
    env["GIT_CONFIG_VALUE_" .. count] = key:find "%.required$" and "false" or ""
    count = count + 1
  end
  if count > 0 then env.GIT_CONFIG_COUNT = tostring(count) end
  return env
end

local function environment(reads_tree)
  local env = {}
  for name, value in pairs(ENVIRONMENT) do env[name] = value end
  return reads_tree and disarm(env, copied(HARDENED)) or env
end

--- Runs git. Failure is nil, message, code; exit codes up to `ok` (default 0) are no failure.
---@param words string[]
---@param options? {reads_tree: boolean, max_output: integer, ok: integer, stdin: string}
---@return table?, string?, string?
function M.git(words, options)
  options = options or {}
  local argv = table.move(words, 1, #words, #HARDENED + 1, copied(HARDENED))
  local result, message, code = process.run {
    argv = argv, env = environment(options.reads_tree), max_output = options.max_output or 16 << 20,
      stdin = options.stdin,
  }
  if not result then return nil, message, code end
  if result.exit_code <= (options.ok or 0) then return result end
  local why = result.stderr:gsub("^fatal: ", ""):gsub("^error: ", ""):gsub("%s+$", "")
  if why:find("dubious ownership", 1, true) then
    return nil, "this repository belongs to another user, so git refuses to read it: " .. why:match "[^\n]*",
      "permission_denied"
  end
  return nil, ("git %s: %s"):format(words[1], why ~= "" and why or "exit code " .. result.exit_code), "process_failed"
end

--- Where we stand. Outside a repository or in a bare one: nil, message, code.
---@return {prefix: string, shallow: boolean}?, string?, string?
function M.here()
  local r, message, code = M.git({"rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--show-prefix"},
    {ok = 128})
  if not r then return nil, message, code end
  if r.exit_code == 128 then
    if r.stderr:find("not a git repository", 1, true) then return nil, "this folder is not inside a Git repository",
      "not_found" end
    return M.git({"rev-parse", "--is-inside-work-tree"})
  end
  local inside, shallow, prefix = r.stdout:match "^(%a+)\n(%a+)\n([^\n]*)"
  if inside ~= "true" then return nil, "this is a bare repository: it has no working tree to look at", "not_found" end
  return {prefix = prefix or "", shallow = shallow == "true"}
end

--- The commit of a revision, or nil, message, code.
---@param revision string
---@return string?, string?, string?
function M.commit(revision)
  if revision == "" or revision:find "[%z\n]" then return nil, "a revision cannot be empty or have line breaks",
    "invalid_value" end
  local r, message, code = M.git({"rev-parse", "--verify", "--quiet", "--end-of-options", revision .. "^{commit}"},
    {ok = 128})
  if not r then return nil, message, code end
  local hash = r.stdout:match "^%x+"
  if r.exit_code == 0 and hash then return hash end
  return nil, ("there is no revision `%s` here"):format(revision), "not_found"
end

--- The empty tree in this repository's own hash.
---@return string?, string?, string?
function M.empty_tree()
  local r, message, code = M.git({"hash-object", "-t", "tree", "--stdin"}, {stdin = ""})
  if not r then return nil, message, code end
  return r.stdout:match "^%x+"
end

return M
