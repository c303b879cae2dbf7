--- Effective settings: flag > environment > project config > user config > default, each with where it came from.
local config_file = require "kit.config_file"
local paths = require "kit.paths"
local person_file = require "kit.person_file"
local person = require "kit.person"
local problem = require "kit.problem"
local settings = require "kit.settings"
local suggest = require "kit.suggest"

local M = {}

---@class Config
local Config = {}
Config.__index = Config

--- What the keys of a named setting look like; the name is captured.
---@param setting Setting
---@return string
function M.pattern(setting)
  return "^" .. setting.key:gsub("%.", "%%."):gsub("NAME", "([%%w_-]+)") .. "$"
end

--- The declaration of a setting.
---@param key string
---@return Setting?, Problem?
function M.declared(key)
  local names = {}
  for i, setting in ipairs(settings) do
    if setting.key == key then return setting end
    if setting.named and key:match(M.pattern(setting)) then
      return setmetatable({ key = key, pattern = setting }, { __index = setting })
    end
    names[i] = setting.key
  end
  return problem.fail("not_found", ("there is no setting `%s`"):format(key),
    { hint = suggest.hint(key, names) or "symphony config ls   lists the settings" })
end

--- The environment variable of a setting: run.durability is SYMPHONY_RUN_DURABILITY.
---@param key string
---@return string
function M.variable(key)
  return "SYMPHONY_" .. key:upper():gsub("%.", "_")
end

local function refuse(setting, value, from, why)
  return problem.fail(from.code or "usage",
    ("%s is %s, not `%s`%s"):format(setting.key, why, tostring(value), from.text and (" (%s)"):format(from.text) or ""),
    { file = from.file, line = from.line })
end

--- A value of the setting's type, or the problem naming where it came from.
---@param setting Setting
---@param value any text or a TOML value
---@param from { text: string, file: string?, line: integer? }
---@return any, Problem?
function M.check(setting, value, from)
  if setting.type == "integer" or setting.type == "number" then
    local number = tonumber(value)
    if setting.type == "integer" then number = math.tointeger(number or 0.5) end
    if not number or number ~= number or type(value) == "boolean" then
      return refuse(setting, value, from, setting.type == "integer" and "a whole number" or "a number")
    end
    if setting.min and number < setting.min then return refuse(setting, value, from, "at least " .. setting.min) end
    if setting.max and number > setting.max then return refuse(setting, value, from, "at most " .. setting.max) end
    return number
  end
  if setting.type == "boolean" then
    if value == true or value == "true" then return true end
    if value == false or value == "false" then return false end
    return refuse(setting, value, from, "true or false")
  end
  if type(value) ~= "string" then return refuse(setting, value, from, "a text") end
  if setting.read then
    if setting.read(value) == nil then return refuse(setting, value, from, setting.what) end
  end
  for _, choice in ipairs(setting.choices or { value }) do
    if choice == value then return value end
  end
  return refuse(setting, value, from, "one of " .. table.concat(setting.choices, ", "))
end

local function flat(value, prefix, into)
  for name, item in pairs(value) do
    if type(item) == "table" then flat(item, prefix .. name .. ".", into) else into[prefix .. name] = item end
  end
  return into
end

local function line_of(lines, key)
  return type(lines) == "table" and lines[key] or nil
end

--- The settings of one file: key → {value, line}. A missing file has none.
---@param file string
---@return table?, Problem?
function M.read_file(file)
  local text = paths.read(file)
  if not text then return {} end
  local toml = require "sy.toml"
  local value, lines, line = toml.decode(text)
  if not value then
    local why = problem.from(lines)
    why.code = "usage"
    why.where.file, why.where.line = file, why.where.line or (type(line) == "number" and line or nil)
    return nil, why
  end
  local found = {}
  for key, item in pairs(flat(value, "", {})) do
    local setting, why = M.declared(key)
    if not setting then
      why.code, why.where.file, why.where.line = "usage", file, line_of(lines, key)
      return nil, why
    end
    local checked, bad = M.check(setting, item, { text = file, file = file, line = line_of(lines, key) })
    if checked == nil then return nil, bad end
    found[key] = { value = checked, line = line_of(lines, key) }
  end
  return found
end

local function from_environment(setting)
  if setting.named then return nil end
  local name = M.variable(setting.key)
  local text = os.getenv(name)
  if not text or text == "" then return nil end
  return M.check(setting, text, { text = "the environment variable " .. name })
end

--- The files that settings may come from, strongest first. A project's counts where the project is trusted.
---@param place? Place
---@return { name: string, file: string, counts: boolean }[]
function M.files(place)
  local list = {}
  if place then
    list[1] = { name = "project", file = paths.join(place.state_dir, "config.toml"), counts = place.trusted }
  end
  list[#list + 1] = { name = "user", file = paths.join(person.config_dir(), "config.toml"), counts = true }
  return list
end

--- Reads all settings.
---@param from { place: Place?, flags: table? }
---@return Config?, Problem?
function M.read(from)
  local self = setmetatable({ flags = from.flags or {}, files = {}, place = from.place }, Config)
  for _, source in ipairs(M.files(from.place)) do
    if source.counts then
      local found, why = M.read_file(source.file)
      if not found then return nil, why end
      self.files[#self.files + 1] = { name = source.name, file = source.file, found = found }
    end
  end
  return self
end

--- Every place a setting is given, strongest first, the default last.
---@param key string
---@return { from: string, value: any, file: string?, line: integer? }[]
function Config:why(key)
  local setting = assert(M.declared(key))
  local list = {}
  local flag = setting.flag and self.flags[setting.flag]
  if flag ~= nil then
    local value, bad = M.check(setting, flag, { text = "--" .. setting.flag })
    if bad then error(bad, 0) end
    list[1] = { from = "--" .. setting.flag, value = value }
  end
  local value, bad = from_environment(setting)
  if bad then error(bad, 0) end
  if value ~= nil then list[#list + 1] = { from = "environment", value = value, variable = M.variable(key) } end
  for _, source in ipairs(self.files) do
    local found = source.found[key]
    if found then
      list[#list + 1] = { from = source.name, value = found.value, file = source.file, line = found.line }
    end
  end
  list[#list + 1] = { from = "default", value = setting.default }
  return list
end

--- The effective value of a setting and where it came from.
---@param key string
---@return any value, table origin
function Config:get(key)
  local first = self:why(key)[1]
  return first.value, first
end

--- Every setting there is: a named one once for each name that a file gives it.
---@return Setting[]
function Config:list()
  local list = {}
  for _, setting in ipairs(settings) do
    local seen, keys = {}, setting.named and {} or { setting.key }
    for _, source in ipairs(setting.named and self.files or {}) do
      for key in pairs(source.found) do
        if not seen[key] and key:match(M.pattern(setting)) then keys[#keys + 1], seen[key] = key, true end
      end
    end
    table.sort(keys)
    for _, key in ipairs(keys) do list[#list + 1] = assert(M.declared(key)) end
  end
  return list
end

--- Every effective value by key.
---@return table<string, any>
function Config:all()
  local all = {}
  for _, setting in ipairs(self:list()) do all[setting.key] = (self:get(setting.key)) end
  return all
end

--- Writes one setting into a file; value nil removes it.
---@param file string
---@param key string
---@param value any
---@return boolean?, Problem?
function M.write(file, key, value)
  return person_file.locked("config", function()
    local changed = config_file.set(paths.read(file) or "", key, value)
    local ok, message, code = paths.make(paths.parent(file), tonumber("700", 8))
    if ok then ok, message, code = paths.write(file, changed) end
    if not ok then return problem.fail(code, "the setting cannot be kept: " .. message) end
    return true
  end)
end

return M
