--- Which versions a change leads to: what the person asked for now and before, out of what is installed, a package that
--- was just read, and folders of packages.
local keys = require "kit.keys"
local resolve = require "kit.package.resolve"
local semver = require "kit.semver"
local sources = require "kit.package.sources"

local M = {}

---@class Wanted
---@field acquired Acquired? a package that the person named
---@field request boolean? it stays when nothing needs it
---@field name string? with `key` the version to be used again, else the package to be renewed
---@field key string?
---@field folders string[]? of --from
---@field beside string? the folder where the package lay, with whatever else is there
---@field signing string? public key of files

local function name_of(wanted)
  return wanted.acquired and wanted.acquired.content.name or wanted.name
end

--- What the person asked for.
local function demands_of(state, wanted)
  local named = name_of(wanted)
  local demands = { named and { name = named, range = "*" } }
  for _, name in ipairs(keys.sorted(state.packages)) do
    local package = state.packages[name]
    if package.requested and package.current and name ~= named then
      demands[#demands + 1] = { name = name, range = "*" }
    end
  end
  return demands
end

--- The newest of all sources; where two have a version, that of the first.
local function newest(list, name)
  local all = {}
  for rank, source in ipairs(list) do
    for _, one in ipairs(source:versions(name)) do all[#all + 1] = { one = one, rank = rank } end
  end
  table.sort(all, function(a, b)
    local order = semver.compare(semver.parse(a.one.version), semver.parse(b.one.version))
    if order ~= 0 then return order > 0 end
    return a.rank < b.rank
  end)
  for i, item in ipairs(all) do all[i] = item.one end
  return all
end

--- One version of a package that is installed.
local function just(source, name, key)
  for _, one in ipairs(source:versions(name)) do
    if one.key == key then return { one } end
  end
  return {}
end

--- The versions of the package that the change is about.
local function of_named(wanted, list)
  local named = name_of(wanted)
  if wanted.acquired then return sources.content(wanted.acquired.content):versions(named) end
  if wanted.key then return just(list[1], named, wanted.key) end
  return newest(list, named)
end

--- The version of each package; what is not installed has `read`.
---@param state Installed
---@param wanted Wanted
---@return table<string, PackageCandidate>?, Problem?
function M.solve(state, wanted)
  local list, named = { sources.installed(state) }, name_of(wanted)
  for _, dir in ipairs(wanted.folders or {}) do
    local folder, why = sources.folder(dir)
    if not folder then return nil, why end
    list[#list + 1] = folder
  end
  if wanted.beside then list[#list + 1] = sources.folder(wanted.beside, true) end
  local own = named and of_named(wanted, list)
  local all = {}
  for i, source in ipairs(list) do
    all[i] = { versions = function(_, name)
      if name ~= named then return source:versions(name) end
      return i == 1 and own or {}
    end }
  end
  return resolve.solve(demands_of(state, wanted), all)
end

return M
