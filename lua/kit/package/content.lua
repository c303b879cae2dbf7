--- The content of a package in memory: files that were looked at one by one, its manifest, and a hash that depends on
--- nothing but names and bytes.
local hash = require "sy.hash"
local manifest = require "kit.manifest"
local problem = require "kit.problem"
local rules = require "kit.package.rules"
local semver = require "kit.semver"
local system = require "sy.system"

local M = {}

---@class PackageContent
---@field shown string where it came from, for messages
---@field files table<string, string> path → bytes
---@field names string[] sorted
---@field text string the manifest
---@field manifest table
---@field name string
---@field version string
---@field hash string "sha256:…"
---@field bytes integer

local Content = {}
Content.__index = Content

--- A content without files.
---@param shown string
---@return PackageContent
function M.new(shown)
  return setmetatable({ shown = shown, files = {}, names = {}, folded = {}, bytes = 0 }, Content)
end

--- A path that is the same to a file system that does not tell capitals apart, or that is a folder elsewhere.
local function clash(self, path)
  local prefix = ""
  for part, slash in path:gmatch "([^/]+)(/?)" do
    prefix = prefix .. part
    local known = self.folded[prefix:lower()]
    local kind = slash == "/" and "folder" or "file"
    if known and (known.spelled ~= prefix or known.kind ~= kind or kind == "file") then return known.spelled end
    self.folded[prefix:lower()] = { spelled = prefix, kind = kind }
    prefix = prefix .. slash
  end
  return nil
end

--- Adds a file; refuses a path that may not be, that is there already, and sizes above the limits.
---@param path string
---@param bytes string
---@return boolean?, Problem?
function Content:add(path, bytes)
  if not rules.is_path(path) then
    return rules.refuse(self.shown, ("`%s` is no name for a file of a package"):format(path:gsub("[^%g ]", "?")),
      "names have letters, digits, _ . and -, begin with no dot, and are shorter than 100 bytes")
  end
  local other = clash(self, path)
  if other then return rules.refuse(self.shown, ("`%s` and `%s` are one name to some systems"):format(other, path)) end
  self.bytes = self.bytes + #bytes
  self.names[#self.names + 1] = path
  self.files[path] = bytes
  if #self.names > rules.LIMITS.entries then
    return rules.refuse(self.shown, ("more than %d files"):format(rules.LIMITS.entries))
  elseif #bytes > rules.LIMITS.entry_bytes or self.bytes > rules.LIMITS.total_bytes then
    return rules.refuse(self.shown, "it is too large: a file has at most 16 MiB, a package 64 MiB")
  end
  return true
end

--- The hash of each file, and of the whole.
---@param files table<string, string>
---@return string hash
---@return table<string, string> by_file
function M.hashes(files)
  local names, by_file, parts = {}, {}, {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    by_file[name] = "sha256:" .. hash.sha256(files[name])
    parts[i] = ("%s\0%d\0%s\n"):format(name, #files[name], by_file[name])
  end
  return "sha256:" .. hash.sha256(table.concat(parts)), by_file
end

local function invalid(self, why, hint)
  return problem.fail("manifest_invalid", why, { file = self.shown .. "/Symphony.toml", hint = hint })
end

local function check_manifest(self)
  local about = self.manifest.extension
  if not rules.is_name(about.name) then
    return invalid(self, ("`%s` is no name of a package: name, or publisher/name"):format(about.name))
  elseif not semver.satisfies(system.version, about.symphony) then
    return invalid(self, ("%s %s works with Symphony %s, this is %s"):format(about.name, about.version, about.symphony,
      system.version))
  elseif next(self.manifest.operation) and not self.files[about.entry] then
    return invalid(self, ("its entry %s is not there"):format(about.entry))
  end
  return true
end

--- Reads the manifest and sums up, once all files are in.
---@return PackageContent?, Problem?
function Content:finish()
  self.text = self.files[rules.MANIFEST]
  if not self.text then
    return problem.fail("not_found", ("there is no Symphony.toml in %s"):format(self.shown),
      { hint = "a package is an extension's folder; symphony ext check FOLDER looks at one" })
  end
  local read, problems = manifest.read(self.text, self.shown .. "/Symphony.toml")
  if not read then return nil, problems[1] end
  self.manifest = read
  local ok, why = check_manifest(self)
  if not ok then return nil, why end
  table.sort(self.names)
  self.name, self.version = read.extension.name, read.extension.version
  self.hash, self.sums = M.hashes(self.files)
  return self
end

return M
