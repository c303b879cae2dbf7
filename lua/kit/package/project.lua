--- What a project's own extensions depend on: installed beside what the person uses, and written to symphony.lock.
local change = require "kit.package.change"
local gather = require "kit.package.gather"
local lock = require "kit.package.lock"
local problem = require "kit.problem"
local registry = require "kit.registry"
local resolve = require "kit.package.resolve"
local sources = require "kit.package.sources"

local M = {}

--- What the extensions of the project name in [dependencies].
local function demands_of(place)
  local list = {}
  for _, entry in ipairs(registry.own(place)) do
    local manifest, problems = registry.manifest(entry)
    if not manifest then return nil, problems[1] end
    local names = {}
    for name in pairs(manifest.dependencies) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      list[#list + 1] = { name = name, range = manifest.dependencies[name],
        chain = { ("%s %s"):format(entry.name, manifest.extension.version) } }
    end
  end
  return list
end

--- Only what the lock says of the names it has.
local function as_locked(source, locked)
  return { versions = function(_, name)
    local wanted, list = locked[name], source:versions(name)
    if not wanted then return list end
    local fitting = {}
    for _, one in ipairs(list) do
      if one.version == wanted.version and (one.hash or wanted.hash) == wanted.hash then fitting[#fitting + 1] = one end
    end
    return fitting
  end }
end

local function sources_of(state, locked, folders)
  local list = { sources.installed(state) }
  for _, dir in ipairs(folders) do
    local folder, why = sources.folder(dir)
    if not folder then return nil, why end
    list[#list + 1] = folder
  end
  for i, source in ipairs(list) do list[i] = as_locked(source, locked) end
  return list
end

--- What was read must be what the lock has seen before.
local function compare(list, locked)
  for _, item in ipairs(list) do
    local wanted, content = locked[item.name], item.got.content
    if wanted and wanted.hash ~= content.hash then
      return problem.fail("not_trusted", ("%s is not the %s %s of symphony.lock: its hash differs"):format(
        item.got.from, item.name, wanted.version), { hint = "get the file that was locked; nothing was changed" })
    end
  end
  return true
end

local function use(state, chosen, place)
  local entries = {}
  for name, candidate in pairs(chosen) do
    local one = state.packages[name].versions[candidate.key]
    local there = false
    for _, dir in ipairs(one.projects) do there = there or dir == place.dir end
    if not there then one.projects[#one.projects + 1] = place.dir end
    entries[#entries + 1] = { name = name, version = one.version, hash = one.hash }
  end
  return entries
end

local function explain(why, locked, name)
  if next(locked) == nil then return nil, why end
  return problem.fail(why.code, why.message .. (" (with what %s says)"):format(name),
    { hint = "--from FOLDER   that has them; or  --upgrade   chooses again and writes symphony.lock anew" })
end

local function install(ctx, state, place, options)
  local demands, unread = demands_of(place)
  if not demands then return nil, unread end
  local locked, damaged = {}, nil
  if not options.upgrade then locked, damaged = lock.read(place) end
  if damaged then return nil, damaged end
  locked = locked or {}
  local list, why = sources_of(state, locked, options.folders)
  if not list then return nil, why end
  local chosen, unsolved = resolve.solve(demands, list)
  if not chosen then return explain(unsolved, locked, "symphony.lock") end
  local got, refused = gather.gather(ctx, state, chosen, { signing = options.key })
  if not got then return nil, refused end
  local same, differs = compare(got, locked)
  if not same then return nil, differs end
  local ok, unstored = gather.store(state, got, chosen)
  if not ok then return nil, unstored end
  local changes = {}
  for i, item in ipairs(got) do
    local one = state.packages[item.name].versions[chosen[item.name].key]
    changes[i] = { name = item.name, action = "install", version = one.version, one = one }
  end
  ok, why = lock.write(place, use(state, chosen, place))
  if ok then ok, why = change.commit(state) end
  if not ok then return nil, why end
  return changes
end

--- Installs what the project's extensions depend on, as symphony.lock has it, and writes the lock.
---@param ctx Context
---@param place Place
---@param options { folders: string[], key: string?, upgrade: boolean? }
---@return PackageChange[]?, Problem?
function M.install(ctx, place, options)
  if not place.trusted then
    return problem.fail("not_trusted", ("%s is not trusted, so its extensions do not count"):format(place.dir),
      { hint = "symphony trust   lets them; read them first" })
  end
  return change.within(function(state) return install(ctx, state, place, options) end)
end

return M
