--- Where versions of packages come from, as kit.package.resolve asks: each source is a table with `versions(name)`.
local fs = require "sy.fs"
local from_archive = require "kit.package.from_archive"
local paths = require "kit.paths"
local problem = require "kit.problem"
local semver = require "kit.semver"

local M = {}

local MOST_FILES = 10000

--- Newest first; what is no version last.
local function sort(list)
  table.sort(list, function(a, b)
    return semver.compare(semver.parse(a.version), semver.parse(b.version)) > 0
  end)
  return list
end

--- What is installed: the version in use before all others.
---@param state Installed
---@return PackageSource
function M.installed(state)
  local source = {}
  function source.versions(_, name)
    local package, list, first = state.packages[name], {}, nil
    for key, one in pairs(package and package.versions or {}) do
      local candidate = { name = name, version = one.version, hash = one.hash, needs = one.needs, key = key }
      if key == package.current then
        first = candidate
      else
        list[#list + 1] = candidate
      end
    end
    sort(list)
    if first then table.insert(list, 1, first) end
    return list
  end
  return source
end

--- One content that was read already.
---@param read PackageContent
---@return PackageSource
function M.content(read)
  local candidate = { name = read.name, version = read.version, hash = read.hash, needs = read.manifest.dependencies,
    read = function() return read end }
  return { versions = function(_, name) return name == read.name and { candidate } or {} end }
end

local function scan(dir, lenient)
  local by_name, entries = {}, fs.list(dir)
  if not entries then
    return problem.fail("not_found", ("there is no folder %s"):format(dir),
      { hint = "--from names a folder of packages" })
  end
  local count = 0
  for _, entry in ipairs(entries) do
    local path = paths.join(dir, entry.name)
    if entry.name:match "%.sympkg$" and paths.kind(path) == "file" and count < MOST_FILES then
      count = count + 1
      local manifest, why = from_archive.manifest(path)
      if not manifest and not lenient then return nil, why end
      local name = manifest and manifest.extension.name
      if name then
        by_name[name] = by_name[name] or {}
        table.insert(by_name[name], { name = name, version = manifest.extension.version,
          needs = manifest.dependencies, path = path, read = function() return from_archive.read(path) end })
      end
    end
  end
  return by_name
end

--- A folder of .sympkg files.
---@param dir string
---@param lenient? boolean what is no package there is passed over
---@return PackageSource?, Problem?
function M.folder(dir, lenient)
  local by_name, why = scan(dir, lenient)
  if not by_name then return nil, why end
  return { versions = function(_, name) return sort(by_name[name] or {}) end }
end

return M
