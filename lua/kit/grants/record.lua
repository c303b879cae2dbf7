--- What the person decided about extensions, under the person's data and never in a project: the file `grants`, one
--- JSON object a line, so that a message can name the line.
local effective = require "kit.grants.effective"
local json = require "sy.json"
local lock = require "sy.lock"
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local system = require "sy.system"

local M = {}

local MODE = tonumber("600", 8)
local WAIT_MS = 5000

--- Where it lies.
---@return string
function M.file()
  return paths.join(person.data_dir(), "grants")
end

local function list_of(value)
  if type(value) ~= "table" then return {} end
  for _, one in ipairs(value) do
    if type(one) ~= "string" then return {} end
  end
  return value
end

local function capabilities_of(value)
  local map = {}
  for _, kind in ipairs(effective.KINDS) do map[kind] = list_of(value[kind]) end
  for _, key in ipairs(effective.LIMITS) do map[key] = type(value[key]) == "string" and value[key] or nil end
  return map
end

--- A decision out of a line; nil: the line says none, and so allows nothing.
local function parse(line)
  local value = json.decode(line)
  if type(value) ~= "table" or type(value.extension) ~= "string" or type(value.origin) ~= "string" then return nil end
  if type(value.asked) ~= "table" then return nil end
  local allow = {}
  for _, kind in ipairs(effective.KINDS) do
    if type(value.allow) == "table" and value.allow[kind] ~= nil then allow[kind] = list_of(value.allow[kind]) end
  end
  for _, key in ipairs(effective.LIMITS) do
    allow[key] = type(value.allow) == "table" and type(value.allow[key]) == "string" and value.allow[key] or nil
  end
  local function text(key) return type(value[key]) == "string" and value[key] or nil end
  return {
    extension = value.extension, origin = value.origin, project = text "project",
    state = value.state == "granted" and "granted" or "denied",
    asked = capabilities_of(value.asked), allow = allow,
    by = text "by" or "?", at = text "at" or "?", how = text "how" or "?",
  }
end

local function unusable(line, what)
  return problem.fail("file_invalid", "what was decided about extensions cannot be relied on: " .. what,
    { file = M.file(), line = line, hint = "repair it, or remove it and decide again" })
end

--- Every decision, in the order of the file. Of a file that is damaged, or that others may write, nothing is taken:
--- what it narrows must not become wider.
---@return Decision[]?, Problem?
function M.list()
  local st = paths.stat(M.file())
  if not st then return {} end
  if st.uid ~= system.user().uid or st.mode & tonumber("022", 8) ~= 0 then
    return unusable(nil, "others may write it")
  end
  local text, message = paths.read(M.file())
  if not text then return unusable(nil, message) end
  local list, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    local one = line ~= "" and parse(line)
    if line ~= "" and not one then return unusable(number, "this line is none of its own") end
    if one then
      one.line = number
      list[#list + 1] = one
    end
  end
  return list
end

local function is_about(one, key)
  return one.extension == key.extension and one.origin == key.origin and one.project == key.project
end

---@class GrantKey
---@field extension string
---@field origin string
---@field project string?

--- What an entry's decision is kept under: an extension of a project only there, others everywhere.
---@param entry ExtensionEntry
---@return GrantKey
function M.key(entry)
  local project = entry.origin == "project" and (entry.place and entry.place.dir or entry.dir) or nil
  return { extension = entry.name, origin = entry.origin, project = project }
end

--- The decision about an extension, with its line.
---@param key GrantKey
---@return Decision? decision nil without a problem: there is none
---@return Problem?
function M.find(key)
  local list, why = M.list()
  for _, one in ipairs(list or {}) do
    if is_about(one, key) then return one end
  end
  return nil, why
end

local function lists(map)
  local out = {}
  for name, value in pairs(map) do
    out[name] = type(value) == "table" and json.array(table.move(value, 1, #value, 1, {})) or value
  end
  return out
end

local function written(one)
  return json.encode {
    extension = one.extension, origin = one.origin, project = one.project or json.null, state = one.state,
    asked = lists(one.asked), allow = next(one.allow) and lists(one.allow) or json.null, by = one.by, at = one.at,
    how = one.how,
  }
end

local function save(list)
  local lines = {}
  for i, one in ipairs(list) do lines[i] = written(one) .. "\n" end
  local ok, message, code = paths.write(M.file(), table.concat(lines), MODE)
  if not ok then return problem.fail(code, "what was decided cannot be recorded: " .. message) end
  return true
end

local function change(work)
  local ok, why = person.prepare()
  if not ok then return nil, why end
  local held, busy, code = lock.take(M.file() .. ".lock", WAIT_MS)
  if not held then return problem.fail(code, "another symphony is deciding: " .. busy) end
  local list, done, bad
  list, bad = M.list()
  if list then
    work(list)
    done, bad = save(list)
  end
  held:release()
  return done, bad
end

--- Records a decision in the place of the one before.
---@param decision Decision
---@return boolean?, Problem?
function M.put(decision)
  return change(function(list)
    for i, one in ipairs(list) do
      if is_about(one, decision) then
        list[i] = decision
        return
      end
    end
    list[#list + 1] = decision
  end)
end

--- Forgets what was decided.
---@param key GrantKey
---@return boolean?, Problem?
function M.forget(key)
  local known, why = M.find(key)
  if not known then return why == nil or nil, why end
  return change(function(list)
    for i = #list, 1, -1 do
      if is_about(list[i], key) then table.remove(list, i) end
    end
  end)
end

--- A decision of the person at this machine, now.
---@param key GrantKey
---@param asked table capabilities
---@param how string
---@param more? { state: string?, allow: table<string, string[]>? }
---@return Decision
function M.new(key, asked, how, more)
  more = more or {}
  return {
    extension = key.extension, origin = key.origin, project = key.project, state = more.state or "granted",
    asked = effective.copy(asked), allow = more.allow or {}, by = system.user().name or tostring(system.user().uid),
    at = os.date "!%Y-%m-%dT%H:%M:%SZ", how = how,
  }
end

return M
