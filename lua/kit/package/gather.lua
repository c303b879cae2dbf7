--- Gets the packages that were chosen and are not installed yet: each is read, judged and shown to the person before
--- the first of them is put in place.
local consent = require "kit.consent"
local from_archive = require "kit.package.from_archive"
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local problem = require "kit.problem"
local record = require "kit.package.record"
local rules = require "kit.package.rules"
local signature = require "kit.package.signature"
local time = require "sy.time"

local M = {}

local function acquired_of(candidate, wanted)
  if wanted.acquired and wanted.acquired.content.name == candidate.name then return wanted.acquired end
  local signed, why = signature.check(candidate.path, wanted.signing)
  if not signed then return nil, why end
  local content, bad = from_archive.read(candidate.path)
  if not content then return nil, bad end
  return { content = content, origin = "file", from = paths.real(candidate.path), signature = signed }
end

local function is_bundled(name)
  for _, file in ipairs(require("sy.core").embedded "extensions/") do
    if file.path:match("/([^/]+)/Symphony%.toml$") == name then return true end
  end
  return name == "host"
end

local function known_otherwise(package, content)
  for _, one in pairs(package and package.versions or {}) do
    if one.version == content.version and one.hash ~= content.hash and one.origin == "file" then return true end
  end
  return false
end

--- What forbids a content whatever the person says.
local function forbidden(state, got)
  local content = got.content
  local package = state.packages[content.name]
  if is_bundled(content.name) then
    return problem.fail("manifest_invalid", ("%s is bundled; a package cannot have its name"):format(content.name))
  elseif got.origin == "file" and known_otherwise(package, content) then
    return problem.fail("not_trusted", ("%s %s is known with another content; a version never changes"):format(
      content.name, content.version), { hint = "whoever changed it has to give it another version" })
  end
  local before = package and package.current and package.versions[package.current]
  if not before then return true end
  return signature.continues(content.name, before.signature, got.signature)
end

local function manifest_of(name, one)
  local files = one and record.files(name, one)
  return files and manifest.read(files[rules.MANIFEST], name) or nil
end

local function in_use(package)
  return package and package.current and package.versions[package.current]
end

local function judge(ctx, state, name, got)
  local ok, why = forbidden(state, got)
  if not ok then return nil, why end
  return consent.ask(ctx, { old = manifest_of(name, in_use(state.packages[name])), new = got.content.manifest,
    from = got.from })
end

--- Another version that is installed is used again: the person is asked where it may something else.
local function judge_again(ctx, state, name, key)
  local package = state.packages[name]
  local one = package.versions[key]
  local files, why = record.files(name, one)
  if not files then return nil, why end
  return consent.ask(ctx, { old = manifest_of(name, in_use(package)), new = manifest_of(name, one), from = one.from })
end

--- Reads, judges and asks about what is chosen and not in use; gives what is to be stored.
---@param ctx Context
---@param state Installed
---@param chosen table<string, PackageCandidate>
---@param wanted Wanted
---@return { name: string, got: Acquired }[]?, Problem?
function M.gather(ctx, state, chosen, wanted)
  local list, names = {}, {}
  for name in pairs(chosen) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local candidate, ok, why = chosen[name], true, nil
    if candidate.read then
      local got, bad = acquired_of(candidate, wanted)
      if not got then return nil, bad end
      ok, why = judge(ctx, state, name, got)
      list[#list + 1] = { name = name, got = got }
    elseif state.packages[name].current ~= candidate.key then
      ok, why = judge_again(ctx, state, name, candidate.key)
    end
    if not ok then return nil, why end
  end
  return list
end

--- Puts what was gathered in place and among the versions of the state.
---@param state Installed
---@param list { name: string, got: Acquired }[]
---@param chosen table<string, PackageCandidate> gets the keys
---@return boolean?, Problem?
function M.store(state, list, chosen)
  for _, item in ipairs(list) do
    local got, content = item.got, item.got.content
    local package = state.packages[item.name] or { requested = false, trusted = false, versions = {} }
    local key = record.key(content.version, content.hash)
    local known = package.versions[key]
    local one, why = record.store(content)
    if not one then return nil, why end
    one.origin, one.from, one.revision, one.signature = got.origin, got.from, got.revision, got.signature
    one.installed_at = time.iso(time.now_ms())
    one.projects = known and known.projects or {}
    package.versions[key], state.packages[item.name], chosen[item.name].key = one, package, key
  end
  return true
end

return M
