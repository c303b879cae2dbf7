--- How the options of a task are stored. Runs inside a melody's isolate.
local handle = require "melody.handle"
local json = require "json"
local native = require "melody.native"
local values = require "melody.values"

native.own()

local M = {}

local fail = handle.fail

--- Raises an error unless a value is of a type.
---@param value any
---@param kind string
---@param what string
---@param hint? string
function M.need(value, kind, what, hint)
  if type(value) ~= kind or handle.details(value) then
    local got = handle.details(value) and "a reference" or value == nil and "missing" or "a " .. type(value)
    fail(("%s must be a %s, it is %s"):format(what, kind, got), hint)
  end
  return value
end

local need = M.need

local function pair(from, what, key)
  local operation, input = rawget(from, 1) or rawget(from, "operation"), rawget(from, 2) or rawget(from, "input")
  need(operation, "string", "the operation of " .. what)
  return { operation = operation, input = input ~= nil and values.encode(input, what, key) or nil }
end

local function encode_fallback(list, what)
  if type(list) == "string" then list = { list } end
  local out = json.array({})
  for i, item in ipairs(need(list, "table", what, 'such as fallback = { "op", { "op", { … } } }')) do
    local from = type(item) == "string" and { item } or need(item, "table", ("%s[%d]"):format(what, i))
    out[i] = pair(from, ("%s[%d]"):format(what, i))
  end
  return out
end

local function encode_after(list, what)
  if type(list) == "string" or handle.details(list) then list = { list } end
  local out = json.array({})
  for i, item in ipairs(need(list, "table", what, 'such as after = { "diff" }')) do
    local d = handle.details(item)
    if d and d.kind == "param" then fail(("%s names the parameter `%s`"):format(what, d.path[1])) end
    out[i] = d and d.path[1] or need(item, "string", ("%s[%d]"):format(what, i))
  end
  return out
end

local function encode_compensate(value, what, key)
  if type(value) == "string" then value = { value } end
  return pair(need(value, "table", what, "such as compensate = { \"op\", { id = melody.own.id } }"), what, key)
end

--- The key of a queue of its own: a text, made when the melody runs.
local function encode_key(value, what)
  return values.encode(value, what)
end

--- How an option that is not plain data is stored; every other one is plain.
local encoders = {
  fallback = encode_fallback, after = encode_after, when = values.callable, compensate = encode_compensate,
  key = encode_key,
}

--- The options of a task.
---@param options? table
---@param key string
---@param others? table<string, boolean> names that the caller stores itself
function M.options(options, key, others)
  if options == nil then return nil end
  need(options, "table", "the options of `" .. key .. "`")
  local out = {}
  for name, value in next, options do
    if type(name) ~= "string" then fail(("the options of `%s` have names: { timeout = \"60s\" }"):format(key)) end
    local what = "option " .. name .. " of `" .. key .. "`"
    if encoders[name] then
      out[name] = encoders[name](value, what, key)
    elseif not (others and others[name]) then
      out[name] = values.plain(value, what, "options are fixed when the melody is written")
    end
  end
  return out
end

return M
