--- What is installed from elsewhere for this person: the file installed.json and the folders it names. A folder holds
--- one version of a package and never changes; a change of what is installed is one rename of the file.
---
---     …/symphony/extensions/.packages/installed.json
---     …/symphony/extensions/.packages/acme+textkit/1.2.0-0123456789ab/Symphony.toml, init.lua, …
local content = require "kit.package.content"
local fs = require "sy.fs"
local json = require "sy.json"
local lock = require "sy.lock"
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local rules = require "kit.package.rules"

local M = {}

local FORMAT = 1
local WAIT_MS = 10000

---@class PackageVersion
---@field version string
---@field hash string
---@field folder string below the root
---@field files table<string, string> path → hash
---@field needs table<string, string> package → range
---@field origin "folder"|"git"|"file"
---@field from string path or address
---@field revision string? of git
---@field signature { state: "none"|"unknown"|"verified", key: string?, signer: string?, comment: string? }
---@field installed_at string
---@field projects string[] whose symphony.lock names it

---@class InstalledPackage
---@field current string? key of the version in use
---@field previous string? key of the one before
---@field requested boolean the person asked for it; else others depend on it
---@field trusted boolean it runs within our process
---@field versions table<string, PackageVersion>

---@class Installed
---@field packages table<string, InstalledPackage>

--- The folder of all packages.
---@return string
function M.root()
  return paths.join(person.data_dir(), "extensions", ".packages")
end

local function file()
  return paths.join(M.root(), "installed.json")
end

--- The key of a version: "1.2.0-0123456789ab".
---@param version string
---@param hash string
---@return string
function M.key(version, hash)
  return version .. "-" .. hash:sub(8, 19)
end

local function damaged()
  return problem.fail("file_invalid", file() .. " is damaged",
    { hint = "remove it and install the extensions again; nothing runs from there until then" })
end

local function is_version(one)
  return type(one) == "table" and type(one.version) == "string" and type(one.hash) == "string"
    and type(one.folder) == "string" and not one.folder:find("..", 1, true) and one.folder:sub(1, 1) ~= "/"
    and type(one.files) == "table" and type(one.needs) == "table" and type(one.from) == "string"
    and type(one.signature) == "table"
end

local function is_package(name, package)
  if not rules.is_name(name) or type(package) ~= "table" or type(package.versions) ~= "table" then return false end
  for _, one in pairs(package.versions) do
    if not is_version(one) then return false end
  end
  return package.current == nil or package.versions[package.current] ~= nil
end

--- What is installed.
---@return Installed?, Problem?
function M.read()
  if not paths.stat(file()) then return { packages = {} } end
  local text, message = paths.read(file())
  if not text then return problem.fail("io_error", message) end
  local value = json.decode(text)
  if type(value) ~= "table" or value.format ~= FORMAT or type(value.packages) ~= "table" then return damaged() end
  for name, package in pairs(value.packages) do
    if not is_package(name, package) then return damaged() end
    for _, one in pairs(package.versions) do one.projects = one.projects or {} end
  end
  return value
end

local function written(state)
  local packages = {}
  for name, package in pairs(state.packages) do
    local copy = setmetatable({ versions = {} }, { __index = package })
    for key, one in pairs(package.versions) do
      local version = {}
      for field, value in pairs(one) do version[field] = value end
      version.projects = json.array(table.move(one.projects or {}, 1, #(one.projects or {}), 1, {}))
      copy.versions[key] = version
    end
    packages[name] = { current = package.current, previous = package.previous, requested = package.requested,
      trusted = package.trusted, versions = copy.versions }
  end
  return json.encode({ format = FORMAT, packages = packages }, { pretty = true }) .. "\n"
end

--- Writes it, for this moment on.
---@param state Installed
---@return boolean?, Problem?
function M.write(state)
  local ok, message, code = paths.write(file(), written(state), tonumber("600", 8))
  if not ok then return problem.fail(code, "what is installed cannot be recorded: " .. message) end
  return true
end

--- Removes every folder that the state does not name. Only while no other process changes it.
---@param state Installed
function M.sweep(state)
  local kept = {}
  for _, package in pairs(state.packages) do
    for _, one in pairs(package.versions) do kept[one.folder] = true end
  end
  for _, name in ipairs(paths.names(M.root()) or {}) do
    local dir = paths.join(M.root(), name)
    local left = 0
    for _, inner in ipairs(paths.kind(dir) == "directory" and paths.names(dir) or {}) do
      if kept[name .. "/" .. inner] then left = left + 1 else fs.rmtree(paths.join(dir, inner)) end
    end
    if left == 0 and paths.kind(dir) == "directory" then fs.rmtree(dir) end
  end
end

--- Calls `work` with what is installed while no other process changes it.
---@generic T
---@param work fun(state: Installed): T?, Problem?
---@return T?, Problem?
function M.change(work)
  local ok, why = person.prepare()
  if not ok then return nil, why end
  local made, message, code = paths.make(M.root(), tonumber("700", 8))
  if not made then return problem.fail(code, message) end
  local held, busy, bad = lock.take(paths.join(M.root(), "lock"), WAIT_MS)
  if not held then return problem.fail(bad, "another symphony is installing: " .. busy) end
  local state, unread = M.read()
  local result, failure
  if state then result, failure = work(state) else failure = unread end
  held:release()
  return result, failure
end

--- Where a version of a package lies.
---@param one PackageVersion
---@return string
function M.dir(one)
  return paths.join(M.root(), one.folder)
end

local function changed(name, what)
  return problem.fail("not_trusted", ("the installed %s is not what it was: %s"):format(name, what),
    { hint = ("symphony ext install SOURCE puts it back; to make it your own, copy its folder to %s and: "
      .. "symphony ext remove %s"):format(paths.join(person.data_dir(), "extensions"), name) })
end

local function read_below(dir, below, into)
  for _, one in ipairs(fs.list(dir) or {}) do
    local path, relative = paths.join(dir, one.name), below .. one.name
    local st = paths.stat(path, false)
    if st and st.type == "directory" then
      read_below(path, relative .. "/", into)
    elseif st and st.type == "file" and st.size <= rules.LIMITS.entry_bytes then
      into[relative] = paths.read(path)
    else
      into[relative] = false
    end
  end
  return into
end

--- The files of an installed version, each as it was installed.
---@param name string
---@param one PackageVersion
---@return table<string, string>?, Problem?
function M.files(name, one)
  local files = read_below(M.dir(one), "", {})
  for path in pairs(files) do
    if not one.files[path] then return changed(name, path .. " was added") end
  end
  for path in pairs(one.files) do
    if not files[path] then return changed(name, path .. " is missing") end
  end
  local whole, sums = content.hashes(files)
  for path, sum in pairs(one.files) do
    if sums[path] ~= sum then return changed(name, path .. " was changed") end
  end
  if whole ~= one.hash then return changed(name, "its record does not fit it") end
  return files
end

local function stage(read)
  local staging, message, code = fs.tempdir(M.root(), "new-")
  if not staging then return problem.fail(code, message) end
  for _, name in ipairs(read.names) do
    local path = paths.join(staging, name)
    local ok, why, failed = paths.make(paths.parent(path))
    if ok then ok, why, failed = paths.write(path, read.files[name], tonumber("600", 8)) end
    if not ok then
      fs.rmtree(staging)
      return problem.fail(failed, why)
    end
  end
  return staging
end

--- Puts the files of a content into their folder, which comes to be at once or not at all.
---@param read PackageContent
---@return PackageVersion?, Problem?
function M.store(read)
  local folder = paths.join((read.name:gsub("/", "+")), M.key(read.version, read.hash))
  local one = { version = read.version, hash = read.hash, folder = folder, files = read.sums,
    needs = read.manifest.dependencies, projects = {} }
  local final = M.dir(one)
  if paths.stat(final, false) and M.files(read.name, one) then return one end
  local made, message, code = paths.make(paths.parent(final))
  if not made then return problem.fail(code, message) end
  local staging, why = stage(read)
  if not staging then return nil, why end
  fs.rmtree(final) -- here only when it was changed
  local ok, unmoved, failed = fs.rename(staging, final)
  if ok then return one end
  fs.rmtree(staging)
  return problem.fail(failed, unmoved)
end

return M
