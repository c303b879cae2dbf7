--- A package out of a Git repository: one revision is fetched by the person's git and read blob by blob. Nothing is
--- checked out, so no hook, filter, submodule or link of the repository comes to be.
local content = require "kit.package.content"
local fs = require "sy.fs"
local paths = require "kit.paths"
local problem = require "kit.problem"
local process = require "sy.process"
local rules = require "kit.package.rules"

local M = {}

local FETCH_S = 120
local MOST_BYTES = rules.LIMITS.total_bytes + (1 << 20)

local GUARDS = { "core.hooksPath=/dev/null", "core.fsmonitor=", "protocol.allow=never", "protocol.file.allow=always",
  "protocol.https.allow=always", "protocol.ssh.allow=always", "fetch.recurseSubmodules=no", "fetch.fsckObjects=true",
  "gc.auto=0", "maintenance.auto=false" }

--- `git+https://host/path.git#tag`, `https://host/path.git#tag`, `git+file:///path`, `git+ssh://…`: url and revision;
--- nil when the source means no repository.
---@param source string
---@return { url: string, revision: string? }?
function M.parse(source)
  local url, revision = source:match "^([^#]*)#(.+)$"
  url = url or source
  local bare = url:match "^git%+(.*)$"
  if not bare and not url:match "^https://.+%.git$" then return nil end
  return { url = bare or url, revision = revision }
end

--- Whether a folder is a checkout.
---@param dir string
---@return boolean
function M.is_checkout(dir)
  return paths.stat(paths.join(dir, ".git"), false) ~= nil
end

local function git(dir, words, options)
  local argv = { "git", "-C", dir }
  for _, guard in ipairs(GUARDS) do
    argv[#argv + 1] = "-c"
    argv[#argv + 1] = guard
  end
  table.move(words, 1, #words, #argv + 1, argv)
  local env = { GIT_TERMINAL_PROMPT = "0", GIT_DIR = dir, GIT_ALLOW_PROTOCOL = "file:https:ssh", LC_ALL = "C" }
  local result, message, code = process.run { argv = argv, env = env, stdin = options and options.stdin or "",
    timeout = FETCH_S, max_output = MOST_BYTES, check = true }
  if not result then
    local hint = code == "not_found" and "git is not installed" or "look at the address and the revision behind #"
    return problem.fail(code, message, { hint = hint })
  end
  if result.dropped then return problem.fail("file_invalid", "the repository is too large for a package") end
  return result.stdout
end

--- The files of a tree: {path, id, size}; refuses links and submodules.
local function entries(shown, listing)
  local list = {}
  for mode, id, size, path in listing:gmatch "(%d+) %l+ (%x+) +(%S+)\t([^%z]*)%z" do
    if mode == "120000" or mode == "160000" then
      return rules.refuse(shown, ("`%s` is a %s; a package has files only"):format(path,
        mode == "160000" and "submodule" or "link"))
    end
    local base = path:match "[^/]*$"
    local hidden = path:sub(1, 1) == "." or path:find("/.", 1, true)
    if not hidden and not base:match "%.sympkg$" and not base:match "%.minisig$" then
      list[#list + 1] = { path = path, id = id, size = math.tointeger(tonumber(size)) or math.maxinteger }
    end
  end
  return list
end

--- What `cat-file --batch` wrote, to the files it stands for.
local function take_blobs(into, list, out)
  local at = 1
  for _, one in ipairs(list) do
    local size, from = out:match("^%x+ blob (%d+)\n()", at)
    size = math.tointeger(tonumber(size))
    if not size or size ~= one.size then return rules.refuse(into.shown, one.path .. " cannot be read from git") end
    local ok, why = into:add(one.path, out:sub(from, from + size - 1))
    if not ok then return nil, why end
    at = from + size + 1
  end
  return into:finish()
end

local function read_tree(dir, shown)
  local listing, why = git(dir, { "ls-tree", "-r", "-l", "-z", "--full-tree", "FETCH_HEAD" })
  if not listing then return nil, why end
  local list, bad = entries(shown, listing)
  if not list then return nil, bad end
  local total, ids = 0, {}
  for i, one in ipairs(list) do
    total = total + math.min(one.size, MOST_BYTES)
    ids[i] = one.id .. "\n"
  end
  if #list > rules.LIMITS.entries or total > rules.LIMITS.total_bytes then
    return rules.refuse(shown, "it is too large: a package has at most 2000 files and 64 MiB")
  end
  local out, failed = git(dir, { "cat-file", "--batch" }, { stdin = table.concat(ids) })
  if not out then return nil, failed end
  return take_blobs(content.new(shown), list, out)
end

local function fetch(dir, from)
  local made, why = git(dir, { "init", "--quiet", "--bare", "--template=", dir })
  if not made then return nil, why end
  return git(dir, { "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", from.url,
    from.revision or "HEAD" })
end

--- Fetches and reads one revision.
---@param from { url: string, revision: string? } as `parse` gives it
---@return PackageContent?, string|Problem revision it is
function M.read(from)
  local shown = from.url .. (from.revision and "#" .. from.revision or "")
  if from.url:match "^%-" or (from.revision or ""):match "^%-" or shown:find "%c" then
    return problem.fail("usage", ("`%s` is no address of a repository"):format(shown:gsub("%c", "?")))
  end
  local dir, message, code = fs.tempdir(nil, "symphony-git-")
  if not dir then return problem.fail(code, message) end
  local read
  local fetched, why = fetch(dir, from)
  if fetched then read, why = read_tree(dir, shown) end
  local revision = read and git(dir, { "rev-parse", "FETCH_HEAD" })
  fs.rmtree(dir)
  if not read then return nil, why end
  return read, (revision or ""):match "%x+"
end

--- A checkout on this machine as an address: what is committed counts, not what lies in its folder.
---@param dir string real path
---@return { url: string, revision: string? }
function M.checkout(dir)
  return { url = "file://" .. dir:gsub("[%%%s#?]", function(c) return ("%%%02X"):format(c:byte()) end) }
end

return M
