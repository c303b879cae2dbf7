--- How the values of options are read: `read(value, context)` gives the stored value, or nil and what is wrong with it.
--- What is stored may be read again and gives the same.
local duration = require "melody.duration"
local json = require "sy.json"

local M = {}

local quote = duration.quote

function M.one_of(...)
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

function M.integer(least, most)
  return function(value)
    local n = math.type(value) and math.tointeger(value)
    if n and n >= least and n <= most then return n end
    return nil, ("%s is no whole number from %d to %d"):format(quote(value), least, most)
  end
end

function M.number(least, most)
  return function(value)
    if math.type(value) and value >= least and value <= most then return value end
    return nil, ("%s is no number from %g to %g"):format(quote(value), least, most)
  end
end

local function boolean_or_number(value)
  if value == true then return 0.1 end
  if value == false then return 0 end
  return M.number(0, 1)(value)
end

--- A list of strings; one string stands for a list of itself.
function M.strings(value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then return nil, ("%s is no list of names"):format(quote(value)) end
  local out = json.array({})
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or type(item) ~= "string" then return nil, "it is no list of names" end
    out[key] = item
  end
  return out
end

function M.join(value)
  if value == "all" or value == "any" then return value end
  local n = M.integer(1, 100000)(value)
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
  { name = "max", read = M.integer(0, 1000) },
  { name = "backoff", read = M.one_of("none", "fixed", "exponential") },
  { name = "delay", stored = "delay_ms", read = duration.parse },
  { name = "delay_ms", stored = "delay_ms", read = duration.milliseconds },
  { name = "jitter", read = boolean_or_number },
  { name = "on", read = M.strings },
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

function M.retry(value, context)
  if math.type(value) then value = { max = value } end
  if type(value) ~= "table" then return nil, ("%s is no table { max = 3 }"):format(quote(value)) end
  local out, message = fields(retry_fields, value, context)
  if not out then return nil, message end
  if out.max == nil then return nil, "it needs `max`, the number of attempts after the first" end
  if out.on and #out.on > RETRY_CODES then return nil, ("`on` takes at most %d codes"):format(RETRY_CODES) end
  return out
end

function M.fallback(value, context)
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

--- A template of a text: a string, a reference or {"$text": …}.
function M.text_template(value)
  if type(value) == "string" and value ~= "" then return value end
  if type(value) == "table" and (value["$text"] or value["$ref"] or value["$param"]) then return value end
  return nil, ("%s is no text and no reference to one"):format(quote(value))
end

--- The key of a task: a text or a template of one; {name, limit} lets `limit` tasks of it run at once.
function M.key(value)
  if type(value) ~= "table" or value.name == nil then return M.text_template(value) end
  local out, message = M.fields({
    { name = "name", read = M.text_template },
    { name = "limit", read = M.integer(1, 100000) },
  }, value)
  return out, message
end

--- {"operation", "extension", "input"}: what undoes a task.
function M.compensate(value, context)
  local list, message = M.fallback({ value }, context)
  if list then return list[1] end
  return nil, message == "[1] names no operation" and "it names no operation" or "it is no operation"
end

--- true, false, how long an output may be used again.
function M.cache(value)
  if type(value) == "boolean" then return value end
  if type(value) == "table" then
    local out, message = fields({
      { name = "ttl", stored = "ttl_ms", read = duration.parse },
      { name = "ttl_ms", read = duration.milliseconds },
    }, value)
    if not out or out.ttl_ms then return out, message end
    return nil, 'it needs `ttl`: { ttl = "7d" }'
  end
  local ms, message = duration.parse(value)
  return ms and { ttl_ms = ms }, message
end

local PER = { s = 1000, sec = 1000, min = 60000, m = 60000, h = 3600000, d = 86400000 }

local function per(value)
  local ms = PER[value]
  if ms then return ms end
  return duration.parse(value)
end

local rate_fields = {
  { name = "count", read = M.integer(1, 1000000) },
  { name = "per", stored = "per_ms", read = per },
  { name = "per_ms", read = duration.milliseconds },
  { name = "burst", read = M.integer(1, 1000000) },
}

--- "10/s", "100/min" or {count, per, burst}: how many may start in which time.
function M.rate(value)
  if type(value) == "string" then
    local count, unit = value:match("^(%d+)%s*/%s*(%w+)$")
    if not count or not per(unit) then
      return nil, ('%s is no rate: write "10/s", "100/min" or { count = 10, per = "30s" }'):format(quote(value))
    end
    value = { count = math.tointeger(tonumber(count)), per = unit }
  end
  if type(value) ~= "table" then return nil, ("%s is no rate"):format(quote(value)) end
  local out, message = fields(rate_fields, value)
  if not out then return nil, message end
  if not out.count or not out.per_ms then return nil, "it needs `count` and `per`" end
  return out
end

--- Where a task runs: it may be raised, never lowered.
function M.isolation(value)
  if value == "thread" or value == "process" then return value end
  return nil, ('%s is none of "thread", "process"'):format(quote(value))
end

--- Who chooses the player.
function M.player(value)
  if value == "auto" then return nil, '"auto" is not part of this version: name the operation itself' end
  return nil, ('%s is not "auto"'):format(quote(value))
end

M.fields = fields

return M
