--- Which installed packages count in a project: those of its symphony.lock, else those in use. And what of them an
--- extension reaches: the packages its manifest names, and what these depend on.
local keys = require "kit.keys"
local hash = require "sy.hash"
local lock = require "kit.package.lock"
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local problem = require "kit.problem"
local record = require "kit.package.record"
local rules = require "kit.package.rules"
local semver = require "kit.semver"

local M = {}

---@class UsedPackage
---@field name string
---@field one PackageVersion
---@field trusted boolean

---@class PackageView
---@field state Installed
---@field locked table<string, LockedPackage>?
---@field failure Problem? why nothing can be used
local View = {}
View.__index = View

--- What counts in a place.
---@param place? Place
---@return PackageView
function M.of(place)
  local state, why = record.read()
  local locked, damaged
  if place and place.trusted then locked, damaged = lock.read(place) end
  return setmetatable({ state = state or { packages = {} }, locked = locked, failure = why or damaged }, View)
end

local function find_locked(package, wanted)
  for _, one in pairs(package and package.versions or {}) do
    if one.hash == wanted.hash and one.version == wanted.version then return one end
  end
  return nil
end

--- The version of a package that counts.
---@param name string
---@return UsedPackage?, Problem?
function View:get(name)
  if self.failure then return nil, self.failure end
  local package, wanted = self.state.packages[name], self.locked and self.locked[name]
  local one
  if wanted then
    one = find_locked(package, wanted)
    if not one then
      return problem.fail("not_found", ("%s %s, as symphony.lock has it, is not installed"):format(name,
        wanted.version), { hint = "symphony ext install --from FOLDER   installs what it names" })
    end
  else
    one = package and package.current and package.versions[package.current]
  end
  if one then return { name = name, one = one, trusted = package.trusted == true } end
  return problem.fail("not_found", ("the package %s is not installed"):format(name),
    { hint = "symphony ext install SOURCE   installs it" })
end

--- The names of all that counts, sorted.
---@return string[]
function View:names()
  local names, seen = {}, {}
  for name, package in pairs(self.state.packages) do
    if package.current then names[#names + 1], seen[name] = name, true end
  end
  for name in pairs(self.locked or {}) do
    if not seen[name] then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function unmet(shown, name, range, used)
  return problem.fail("manifest_invalid", ("%s depends on %s %s, installed is %s"):format(shown, name, range,
    used.one.version), { hint = "symphony ext update " .. name })
end

--- Adds what `needs` names, and what that needs, to `list`.
function View:collect(shown, needs, chain, list)
  for _, name in ipairs(keys.sorted(needs)) do
    local longer = table.move(chain, 1, #chain, 1, {})
    longer[#longer + 1] = name
    if (" " .. table.concat(chain, " ") .. " "):find(" " .. name .. " ", 1, true) then
      return problem.fail("manifest_invalid", "packages depend on each other in a circle: "
        .. table.concat(longer, " -> "))
    end
    local used, why = self:get(name)
    if not used then
      why = problem.new("manifest_invalid", ("%s depends on %s %s: %s"):format(shown, name, needs[name], why.message),
        { hint = why.hint })
      return nil, why
    end
    if not semver.satisfies(used.one.version, needs[name]) then return unmet(shown, name, needs[name], used) end
    if not list[name] then
      list[name] = used
      list[#list + 1] = used
      local ok, bad = self:collect(name, used.one.needs, longer, list)
      if not ok then return nil, bad end
    end
  end
  return true
end

--- The packages that an extension reaches, those it depends on itself first.
---@param name string
---@param needs table<string, string>
---@return UsedPackage[]?, Problem?
function View:reach(name, needs)
  local list = {}
  local ok, why = self:collect(name, needs, { name }, list)
  if not ok then return nil, why end
  return list
end

local function page(entry, needs)
  return entry .. "\n" .. table.concat(keys.sorted(needs), "\n") .. (next(needs) and "\n" or "")
end

local function is_code(path)
  return path:match "%.lua$" and not path:match "^spec/"
end

--- The sources of an extension with those of its packages, as core/kit/registry.h has them.
---@param entry ExtensionEntry loaded
---@return table<string, string>?, Problem?
function M.bundle(entry)
  if not entry.packages or #entry.packages == 0 then return entry.sources end
  local all = { ["@"] = page(entry.manifest.extension.entry, entry.manifest.dependencies) }
  for path, text in pairs(entry.sources) do
    if path:sub(1, 1) ~= "@" then all[path] = text end
  end
  for _, used in ipairs(entry.packages) do
    local files, why = record.files(used.name, used.one)
    if not files then return nil, why end
    local read, problems = manifest.read(files[rules.MANIFEST], used.name .. "/Symphony.toml")
    if not read then return nil, problems[1] end
    all["@" .. used.name] = page(read.extension.entry, used.one.needs)
    for path, text in pairs(files) do
      if is_code(path) then all[("@%s/%s"):format(used.name, path)] = text end
    end
  end
  return all
end

--- The hash of an extension's code with what it depends on.
---@param own string
---@param packages UsedPackage[]
---@return string
function M.code_hash(own, packages)
  if #packages == 0 then return own end
  local parts = { own }
  for _, used in ipairs(packages) do parts[#parts + 1] = used.name .. " " .. used.one.hash end
  table.sort(parts, function(a, b) return a < b end)
  return "sha256:" .. hash.sha256(table.concat(parts, "\n"))
end

--- The code of an installed package: path → text, and its manifest's text.
---@param used UsedPackage
---@return table<string, string>?, string|Problem
function M.sources(used)
  local files, why = record.files(used.name, used.one)
  if not files then return nil, why end
  local code = {}
  for path, text in pairs(files) do
    if is_code(path) then code[path] = text end
  end
  return code, files[rules.MANIFEST]
end

--- Where it lies, for messages.
---@param used UsedPackage
---@return string
function M.dir(used)
  return paths.real(record.dir(used.one)) or record.dir(used.one)
end

return M
