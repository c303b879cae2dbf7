--- Changes of what is installed: what is wanted is resolved, the person is asked, files are put in place, and the
--- record is replaced at once. Whatever fails before that leaves everything as it was.
local keys = require "kit.keys"
local choose = require "kit.package.choose"
local gather = require "kit.package.gather"
local lock = require "kit.package.lock"
local paths = require "kit.paths"
local problem = require "kit.problem"
local record = require "kit.package.record"
local semver = require "kit.semver"
local suggest = require "kit.suggest"

local M = {}

---@class PackageChange
---@field name string
---@field action "install"|"update"|"rollback"|"remove"
---@field version string
---@field before string? version
---@field one PackageVersion the version that counts now; of a removal, the one that did

--- Drops versions that are neither in use nor the one before nor locked by a project.
local function prune(state)
  for name, package in pairs(state.packages) do
    for key, one in pairs(package.versions) do
      local projects = {}
      for _, dir in ipairs(one.projects) do
        if lock.uses(dir, name, one) then projects[#projects + 1] = dir end
      end
      one.projects = projects
      if key ~= package.current and key ~= package.previous and #projects == 0 then
        package.versions[key] = nil
      end
    end
    if not package.versions[package.previous or ""] then package.previous = nil end
    if next(package.versions) == nil then state.packages[name] = nil end
  end
end

local function switch(state, chosen, action)
  local changes = {}
  for _, name in ipairs(keys.sorted(chosen)) do
    local package, key = state.packages[name], chosen[name].key
    local before = package.current and package.versions[package.current]
    if package.current ~= key then
      changes[#changes + 1] = { name = name, action = before and (action or "update") or "install",
        version = package.versions[key].version, before = before and before.version, one = package.versions[key] }
      package.previous, package.current = package.current, key
    end
  end
  return changes
end

--- What is in use and not among the chosen goes.
---@param state Installed
---@param chosen table<string, any>
---@param changes PackageChange[]
function M.drop_rest(state, chosen, changes)
  for _, name in ipairs(keys.sorted(state.packages)) do
    local package = state.packages[name]
    local one = package.current and package.versions[package.current]
    if one and not chosen[name] then
      changes[#changes + 1] = { name = name, action = "remove", version = one.version, one = one }
      package.current, package.previous, package.requested, package.trusted = nil, nil, false, false
    end
  end
end

--- Writes the state, and removes the folders that it does not name.
---@param state Installed
---@return boolean?, Problem?
function M.commit(state)
  prune(state)
  local ok, why = record.write(state)
  if ok then record.sweep(state) end
  return ok, why
end

--- Does what is wanted to the state. The changes; none: it was so already.
local function apply(ctx, state, wanted, action)
  local chosen, why = choose.solve(state, wanted)
  if not chosen then return nil, why end
  local list, bad = gather.gather(ctx, state, chosen, wanted)
  if not list then return nil, bad end
  local ok, unstored = gather.store(state, list, chosen)
  if not ok then return nil, unstored end
  local changes = switch(state, chosen, action)
  if wanted.request then state.packages[wanted.acquired.content.name].requested = true end
  M.drop_rest(state, chosen, changes)
  ok, why = M.commit(state)
  if not ok then return nil, why end
  return changes
end

--- Calls `work` with the state; where it fails, what it had put in place goes again.
---@param work fun(state: Installed): PackageChange[]?, Problem?
---@return PackageChange[]?, Problem?
function M.within(work)
  return record.change(function(state)
    local result, why = work(state)
    if not result then
      local before = record.read()
      if before then record.sweep(before) end
    end
    return result, why
  end)
end

-- ---- what commands do ----

--- Installs a package with what it depends on.
---@param ctx Context
---@param acquired Acquired
---@param folders string[] of --from
---@param signing? string key
---@return PackageChange[]?, Problem?
function M.install(ctx, acquired, folders, signing)
  return M.within(function(state)
    return apply(ctx, state, { acquired = acquired, request = true, folders = folders, signing = signing })
  end)
end

--- Whether a version that was got is newer than the one in use, or comes from where things change without a number.
local function is_newer(got, one)
  if got.content.hash == one.hash then return false end
  return got.origin ~= "file" or semver.compare(semver.parse(got.content.version), semver.parse(one.version)) > 0
end

--- Updates one package out of where it came from, or out of the folders.
local function update_one(ctx, state, name, options)
  local package = state.packages[name]
  local one = package.versions[package.current]
  if one.origin == "file" then
    return apply(ctx, state, { name = name, folders = options.folders, beside = paths.parent(one.from),
      signing = options.key })
  end
  local got, why = options.acquire(one.from)
  if not got then return nil, why end
  if got.content.name ~= name then
    return problem.fail("manifest_invalid", ("%s is now called %s"):format(one.from, got.content.name))
  end
  if not is_newer(got, one) then return {} end
  return apply(ctx, state, { acquired = got, folders = options.folders })
end

--- `nil, problem`: there is no such package.
---@param state Installed
---@param name string
---@return InstalledPackage?, Problem?
function M.known(state, name)
  local package = state.packages[name]
  if package and package.current then return package end
  local names = {}
  for other, one in pairs(state.packages) do
    if one.current then names[#names + 1] = other end
  end
  return problem.fail("not_found", ("%s was not installed from elsewhere"):format(name),
    { hint = suggest.hint(name, names) or "symphony ext ls   says where each comes from" })
end

--- Updates a package, or every one that was asked for. A failure of one does not keep the others from it.
---@param ctx Context
---@param name? string
---@param options { folders: string[], key: string?, acquire: fun(from: string): Acquired?, Problem? }
---@return PackageChange[]? changes
---@return Problem? why the last one that failed did
function M.update(ctx, name, options)
  return M.within(function(state)
    local names, all, failure = { name }, {}, nil
    if not name then
      for _, other in ipairs(keys.sorted(state.packages)) do
        if state.packages[other].current then names[#names + 1] = other end
      end
    else
      local known, why = M.known(state, name)
      if not known then return nil, why end
    end
    for _, one in ipairs(names) do
      if state.packages[one] and state.packages[one].current then
        local changes, why = update_one(ctx, state, one, options)
        if not changes then failure, state = why, record.read() or state end
        for _, change in ipairs(changes or {}) do all[#all + 1] = change end
      end
    end
    if failure and #all == 0 then return nil, failure end
    return all, failure
  end)
end

--- Goes back to the version before, with what it needs.
---@param ctx Context
---@param name string
---@return PackageChange[]?, Problem?
function M.rollback(ctx, name)
  return M.within(function(state)
    local package, why = M.known(state, name)
    if not package then return nil, why end
    if not package.previous then
      return problem.fail("not_found", ("there is no version of %s before %s"):format(name,
        package.versions[package.current].version))
    end
    return apply(ctx, state, { name = name, key = package.previous }, "rollback")
  end)
end

--- Lets a package run within our process, or no longer.
---@param name string
---@param on boolean
---@return InstalledPackage?, Problem?
function M.trust(name, on)
  return M.within(function(state)
    local package, why = M.known(state, name)
    if not package then return nil, why end
    package.trusted = on
    local ok, bad = record.write(state)
    if not ok then return nil, bad end
    return package
  end)
end

return M
