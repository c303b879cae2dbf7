--- The options of a task: one entry each, in the order the guide lists them. What the engine does not run is not
--- here. `read(value, context)` gives the stored value, or nil and what is wrong with it.
local duration = require "melody.duration"
local json = require "sy.json"
local suggest = require "melody.suggest"

local M = {}

local quote = duration.quote

local function one_of(...)
  local allowed, names = {}, {}
  for i, name in ipairs { ... } do
    allowed[name], names[i] = true, ('"%s"'):format(name)
  end
  local list = table.concat(names, ", ")
  return function(value)
    if allowed[value] then return value end
    return nil, ("%s is none of %s"):format(quote(value), list)
  end
end

local function integer(least, most)
  return function(value)
    local n = math.type(value) and math.tointeger(value)
    if n and n >= least and n <= most then return n end
    return nil, ("%s is no whole number from %d to %d"):format(quote(value), least, most)
  end
end

local function number(least, most)
  return function(value)
    if math.type(value) and value >= least and value <= most then return value end
    return nil, ("%s is no number from %g to %g"):format(quote(value), least, most)
  end
end

local function boolean_or_number(value)
  if value == true then return 0.1 end
  if value == false then return 0 end
  return number(0, 1)(value)
end

--- A list of strings; one string stands for a list of itself.
local function strings(value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then return nil, ("%s is no list of names"):format(quote(value)) end
  local out = json.array({})
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or type(item) ~= "string" then return nil, "it is no list of names" end
    out[key] = item
  end
  return out
end

local function join(value)
  if value == "all" or value == "any" then return value end
  local n = integer(1, 100000)(value)
  if n then return n end
  return nil, ('%s is neither "all", "any" nor a number from 1'):format(quote(value))
end

--- {"lua": source, "line": n, "captures": {}} of any way to write a function.
---@param value any
---@param context { line: integer? }
function M.callable(value, context)
  if type(value) == "string" then value = { lua = value, line = context.line } end
  if type(value) ~= "table" or type(value.lua) ~= "string" then return nil, "it is no function and no source of one" end
  for key in pairs(value) do
    if key ~= "lua" and key ~= "line" and key ~= "file" and key ~= "captures" and key ~= "uses" then
      return nil, ("a stored function has no field `%s`"):format(key)
    end
  end
  return { lua = value.lua, line = value.line or context.line, file = value.file, captures = value.captures or {} }
end

local RETRY_CODES = 8

local retry_fields = {
  { name = "max", read = integer(0, 1000) },
  { name = "backoff", read = one_of("none", "fixed", "exponential") },
  { name = "delay", stored = "delay_ms", read = duration.parse },
  { name = "delay_ms", stored = "delay_ms", read = duration.milliseconds },
  { name = "jitter", read = boolean_or_number },
  { name = "on", read = strings },
}

--- Reads a map by a list of fields.
local function fields(list, value, context)
  local out, known, names = {}, {}, {}
  for _, field in ipairs(list) do
    known[field.name], names[#names + 1] = true, field.name
    if value[field.name] ~= nil then
      local read, message = field.read(value[field.name], context)
      if read == nil then return nil, ("%s: %s"):format(field.name, message) end
      out[field.stored or field.name] = read
    end
  end
  for name in pairs(value) do
    if not known[name] then
      return nil, ("it has no field `%s`, only %s"):format(tostring(name), table.concat(names, ", "))
    end
  end
  return out
end

local function retry(value, context)
  if math.type(value) then value = { max = value } end
  if type(value) ~= "table" then return nil, ("%s is no table { max = 3 }"):format(quote(value)) end
  local out, message = fields(retry_fields, value, context)
  if not out then return nil, message end
  if out.max == nil then return nil, "it needs `max`, the number of attempts after the first" end
  if out.on and #out.on > RETRY_CODES then return nil, ("`on` takes at most %d codes"):format(RETRY_CODES) end
  return out
end

local function fallback(value, context)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then return nil, "it is no list of operations" end
  local out = json.array({})
  for i, item in ipairs(value) do
    local entry = type(item) == "string" and { operation = item } or item
    if type(entry) ~= "table" then return nil, ("[%d] is no operation"):format(i) end
    local operation, input = entry.operation or entry[1], entry.input
    if input == nil then input = entry[2] end
    if type(operation) ~= "string" then return nil, ("[%d] names no operation"):format(i) end
    out[i] = { operation = operation, extension = context.extension(operation), input = input }
  end
  if #out == 0 then return nil, "it is empty" end
  return out
end

---@class melody.Option
---@field name string as written
---@field stored string as stored in the definition
---@field read fun(value: any, context: table): any, string?
---@field verb? string the only verb that takes it
---@field doc string

---@type melody.Option[]
M.list = {
  { name = "after", read = strings, doc = "tasks to wait for without using what they return" },
  { name = "when", read = M.callable, doc = "a condition; false skips the task" },
  { name = "edge", read = one_of("hard", "soft", "optional"), doc = "how this task waits for the ones it refers to" },
  { name = "join", read = join, doc = 'how many predecessors with a value make it ready: "all", "any" or a number' },
  { name = "retry", read = retry, doc = "how often and how soon to try again" },
  { name = "timeout", stored = "timeout_ms", read = duration.parse, doc = "for all attempts together" },
  { name = "attempt_timeout", stored = "attempt_timeout_ms", read = duration.parse, doc = "for one attempt" },
  { name = "queue_timeout", stored = "queue_timeout_ms", read = duration.parse, doc = "for waiting to be started" },
  { name = "fallback", read = fallback, doc = "operations to try, in order, when this one has failed" },
  { name = "on_error", read = one_of("halt", "skip"), doc = "whether a failure ends the run" },
  { name = "priority", read = integer(-10, 10), doc = "higher goes first where not everything can run at once" },
  { name = "max_parallel", read = integer(1, 100000), verb = "each", doc = "children running at once" },
}

local by_name = {}
for _, option in ipairs(M.list) do
  option.stored = option.stored or option.name
  by_name[option.name] = option
  if option.stored ~= option.name then
    by_name[option.stored] = { name = option.stored, stored = option.stored, read = duration.milliseconds }
  end
end

--- The option of a name, or nil.
---@param name string
---@return melody.Option?
function M.find(name)
  return by_name[name]
end

--- The names that a verb takes, as written.
---@param verb string
---@return string[]
function M.names(verb)
  local names = {}
  for _, option in ipairs(M.list) do
    if not option.verb or option.verb == verb then names[#names + 1] = option.name end
  end
  return names
end

local function read_one(verb, name, value, context, out)
  local option, report = M.find(name), context.report
  if not option or option.verb and option.verb ~= verb then
    local known = M.names(verb)
    return report(("unknown option `%s`"):format(tostring(name)),
                  { target = { option = tostring(name) }, note = suggest.phrase(tostring(name), known),
                    hint = ("%s takes: %s"):format(verb, table.concat(known, ", ")) })
  end
  local read, message = option.read(value, context)
  if read == nil then
    return report(("option %s: %s"):format(name, message), { target = { option = name }, code = "type_mismatch" })
  end
  if out[option.stored] ~= nil then return report(("option %s is given twice"):format(option.name)) end
  out[option.stored] = read
end

--- The options of one task as they are stored; nil when none is left.
---@param verb string
---@param raw table<string, any>
---@param context { line: integer?, extension: fun(name: string): any, report: fun(message: string, fields: table) }
---@return table<string, any>?
function M.read(verb, raw, context)
  local out, names = {}, {}
  for name in pairs(raw) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do read_one(verb, name, raw[name], context, out) end
  return next(out) ~= nil and out or nil
end

return M
