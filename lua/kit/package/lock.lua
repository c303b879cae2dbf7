--- symphony.lock beside a project's extensions: which versions of packages they use, with a hash of each. It is meant
--- to be committed with the project. What it says counts only where the project is trusted.
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local rules = require "kit.package.rules"

local M = {}

local FORMAT = 1
local MOST_BYTES = 1 << 20

---@class LockedPackage
---@field name string
---@field version string
---@field hash string

--- Where it lies.
---@param place Place
---@return string
function M.path(place)
  return paths.join(place.dir, "symphony.lock")
end

local function is_entry(one)
  return type(one) == "table" and rules.is_name(one.name) and type(one.version) == "string" and #one.version <= 64
    and type(one.hash) == "string" and one.hash:match("^sha256:" .. ("%x"):rep(64) .. "$") ~= nil
end

--- The locked packages by name; nil without a problem where there is no lock.
---@param place Place
---@return table<string, LockedPackage>?, Problem?
function M.read(place)
  local st = paths.stat(M.path(place), false)
  if not st then return nil end
  local text = st.type == "file" and st.size <= MOST_BYTES and paths.read(M.path(place))
  local value = text and json.decode(text)
  local by_name = {}
  if type(value) == "table" and value.format == FORMAT and json.is_array(value.packages) then
    for _, one in ipairs(value.packages) do
      if not is_entry(one) or by_name[one.name] then by_name = nil break end
      by_name[one.name] = one
    end
    if by_name then return by_name end
  end
  return problem.fail("file_invalid", "symphony.lock is damaged", { file = M.path(place),
    hint = "take it from version control again; or remove it, and:  symphony ext install" })
end

--- Whether the lock of a project names a version.
---@param dir string
---@param name string
---@param one PackageVersion
---@return boolean
function M.uses(dir, name, one)
  local locked = M.read { dir = dir }
  return locked ~= nil and locked[name] ~= nil and locked[name].hash == one.hash
end

--- Writes it, sorted by name, a package a line.
---@param place Place
---@param packages LockedPackage[]
---@return boolean?, Problem?
function M.write(place, packages)
  table.sort(packages, function(a, b) return a.name < b.name end)
  local lines = {}
  for i, one in ipairs(packages) do
    lines[i] = "  " .. json.encode { name = one.name, version = one.version, hash = one.hash }
  end
  local text = ('{"format": %d, "packages": [\n%s\n]}\n'):format(FORMAT, table.concat(lines, ",\n"))
  local ok, message, code = paths.write(M.path(place), text)
  if not ok then return problem.fail(code, message) end
  return true
end

return M
