--- Removing an installed package: not while others need it, and with what only came along with it.
local keys = require "kit.keys"
local change = require "kit.package.change"
local lock = require "kit.package.lock"
local problem = require "kit.problem"

local M = {}

--- Who needs a package: other packages, and projects by their symphony.lock.
local function users(state, name)
  local list = {}
  for _, other in ipairs(keys.sorted(state.packages)) do
    local package = state.packages[other]
    local one = package.current and package.versions[package.current]
    if one and one.needs[name] then list[#list + 1] = ("%s %s"):format(other, one.version) end
  end
  for _, one in pairs(state.packages[name].versions) do
    for _, dir in ipairs(one.projects) do
      if lock.uses(dir, name, one) then list[#list + 1] = "the project " .. dir end
    end
  end
  return list
end

--- Takes away what only came along with others, once nothing needs it.
local function drop_orphans(state, changes)
  local reached = {}
  local function reach(name)
    local package = state.packages[name]
    local one = package and package.current and package.versions[package.current]
    if not one or reached[name] then return end
    reached[name] = true
    for other in pairs(one.needs) do reach(other) end
  end
  for name, package in pairs(state.packages) do
    if package.requested then reach(name) end
  end
  change.drop_rest(state, reached, changes)
end

--- Removes a package, and with `force` those that cannot be without it.
---@param name string
---@param force boolean
---@return PackageChange[]?, Problem?
function M.package(name, force)
  return change.within(function(state)
    local package, why = change.known(state, name)
    if not package then return nil, why end
    local needed = users(state, name)
    if #needed > 0 and not force then
      return problem.fail("usage", ("%s is needed by %s"):format(name, table.concat(needed, ", ")),
        { hint = "remove these first; or, and they will not run:  --force" })
    end
    local one, changes = package.versions[package.current], {}
    state.packages[name] = nil
    changes[1] = { name = name, action = "remove", version = one.version, one = one }
    drop_orphans(state, changes)
    local ok, bad = change.commit(state)
    if not ok then return nil, bad end
    return changes
  end)
end

return M
