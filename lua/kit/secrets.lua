--- The person's secrets: where they are kept and who asks for them. Values stay in C (sy.secret).
local json = require "sy.json"
local paths = require "kit.paths"
local person = require "kit.person"
local person_file = require "kit.person_file"
local problem = require "kit.problem"
local registry = require "kit.registry"
local secret = require "sy.secret"

local M = {}

--- The folder of the files.
---@return string
function M.dir() return paths.join(person.data_dir(), "secrets") end

--- Where a new value goes, and why not into the keyring.
---@return "keyring"|"file" place
---@return string? why
function M.place()
  local ok, why = secret.keyring()
  if ok then return "keyring" end
  return "file", why.message
end

local function check(name)
  if secret.valid(name) then return true end
  return problem.fail("usage", ("`%s` is no name of a secret"):format(name),
    { hint = "letters, digits, . _ and -, at most 64, a letter or digit first" })
end

local function in_words(ok, why, code)
  if not ok then return nil, problem.from(why, code) end
  return ok
end

--- Keeps a value, which `source` says how to read: { path = } or { fd =, line =, prompt = }.
---@param name string
---@param source { path: string?, fd: integer?, line: boolean?, prompt: string? }
---@param place? "keyring"|"file" asked for
---@return { name: string, place: string, set_at: string, because: string? }?, Problem?
function M.set(name, source, place)
  local fine, bad = check(name)
  if not fine then return nil, bad end
  source.name = name
  local value, unread = in_words(secret.read(source))
  if not value then return nil, unread end
  local because
  if not place then place, because = M.place() end
  local made, why = person_file.locked("secrets", function()
    return in_words(secret.keep(M.dir(), value, place))
  end)
  if not made then return nil, why end
  local info, failure, code = secret.info(M.dir(), name)
  if not info then return nil, problem.from(failure, code) end
  info.because = because
  return info
end

--- Forgets a value.
---@param name string
---@return boolean?, Problem?
function M.remove(name)
  local fine, bad = check(name)
  if not fine then return nil, bad end
  return person_file.locked("secrets", function() return in_words(secret.remove(M.dir(), name)) end)
end

local function matches(granted, name)
  if granted:sub(-1) == "*" then return name:sub(1, #granted - 1) == granted:sub(1, -2) end
  return granted == name
end

--- What each extension asks for: name of the extension → names of secrets.
local function asked(place)
  local found, all = registry.new(place), {}
  for _, entry in ipairs(found:all()) do
    local loaded = registry.load(entry)
    local names = loaded and entry.manifest.capabilities.secrets or {}
    if #names > 0 then all[#all + 1] = { extension = entry.name, names = names } end
  end
  return all
end

local function askers(all, name)
  local list = json.array {}
  for _, one in ipairs(all) do
    for _, granted in ipairs(one.names) do
      if matches(granted, name) then
        list[#list + 1] = one.extension
        break
      end
    end
  end
  return list
end

--- Every secret that is set or asked for, sorted: {name, set, place?, set_at?, problem?, extensions}.
---@param place Place
---@return table[]
function M.list(place)
  local all, list, seen = asked(place), {}, {}
  local function add(name, set)
    if seen[name] then return end
    seen[name] = true
    local info, why
    if set then info, why = secret.info(M.dir(), name) end
    list[#list + 1] = { name = name, set = set, place = info and info.place, set_at = info and info.set_at,
      problem = why, extensions = askers(all, name) }
  end
  for _, name in ipairs(paths.names(M.dir()) or {}) do
    if secret.valid(name) then add(name, true) end
  end
  for _, one in ipairs(all) do
    for _, name in ipairs(one.names) do
      if secret.valid(name) then add(name, false) end
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return M
