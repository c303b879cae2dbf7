--- Reads one task of a definition, of any verb, into its normal form.
local flow_calls = require "melody.flow_calls"
local json = require "sy.json"
local options = require "melody.options"
local shape = require "melody.shape"
local suggest = require "melody.suggest"
local verbs = require "melody.verbs"

local M = {}

local KEY = "^[a-z_][a-z0-9_]*$"
local RESOLVED = "^%a*:?[%a_][%w_-]*$" -- of a sub-melody: its name, or origin:name
local RESERVED = { params = true, tasks = true, it = true }

local contains, is_list, is_map = shape.contains, shape.is_list, shape.is_map
local report, unknown_fields = shape.report, shape.unknown_fields

--- "acme/textkit.split" → "acme/textkit", "split"; nil when it is no operation's name.
---@param operation any
---@return string? extension
---@return string? name
function M.split(operation)
  if type(operation) ~= "string" then return nil end
  return operation:match("^([%w_/-]+)%.([%w_.-]+)$")
end

local function extension_of(operation)
  return M.split(operation) or json.null
end

local function read_options(state, verb, raw)
  if raw == nil then return nil end
  if not is_map(raw) then return report(state, "the options are no table with names") end
  return options.read(verb, raw, {
    line = state.line, extension = extension_of,
    report = function(message, fields) report(state, message, fields) end,
  })
end

local function read_key(state, key, seen)
  if type(key) ~= "string" or not key:find(KEY) then
    return report(state, ("`%s` is no key: keys match [a-z_][a-z0-9_]*"):format(tostring(key)))
  elseif RESERVED[key] then
    report(state, ("the key `%s` is reserved: functions see it as a global"):format(key))
  elseif seen[key] then
    report(state, ("two tasks have the key `%s`"):format(key), { task = key })
  end
  seen[key] = true
end

local function read_verb(state, raw)
  local verb = raw.verb == nil and "task" or raw.verb
  if not contains(verbs.names, verb) then
    report(state, ("unknown verb `%s`"):format(tostring(verb)),
           { note = suggest.phrase(tostring(verb), verbs.names),
             hint = "there are: " .. table.concat(verbs.names, ", ") })
    return nil
  end
  return verb
end

--- The function in a field of a task, read.
local function read_function(state, raw, name)
  if raw[name] == nil or raw[name] == json.null then return nil end
  local fn, message = options.callable(raw[name], state)
  local what = name == "fn" and "the function" or "the condition `until`"
  if not fn then report(state, ("%s of %s: %s"):format(what, raw.verb, message), { target = { option = name } }) end
  return fn
end

local function read_operation(state, raw, task)
  if not M.split(raw.operation) then
    report(state, ("`%s` is no operation: they are named extension.operation"):format(tostring(raw.operation)))
  end
  task.operation, task.extension = raw.operation, raw.extension
  if raw.extension == nil or raw.extension == json.null then task.extension = extension_of(raw.operation) end
end

local readers = {}

function readers.each(state, raw)
  if raw.list == nil then report(state, ("each `%s` has no list"):format(tostring(raw.key))) end
end

function readers.loop(state, raw, task)
  local max = raw.max == nil and verbs.DEFAULT_MAX or math.type(raw.max) and math.tointeger(raw.max)
  if not max or max < 1 or max > verbs.MOST then
    return report(state, ("`max` of loop is a whole number from 1 to %d"):format(verbs.MOST),
                  { target = { option = "max" }, code = "type_mismatch" })
  end
  task.max = max
end

function readers.ask(state, raw, task)
  if raw.question == nil or raw.question == "" then
    report(state, ("ask `%s` has no question"):format(tostring(raw.key)))
  end
  task.schema = raw.schema
  if raw.schema == nil then task.schema = {} end
  if type(task.schema) ~= "boolean" and not is_map(task.schema) then
    report(state, ("the schema of ask `%s` is no JSON schema"):format(tostring(raw.key)))
  end
end

function readers.sub(state, raw, task)
  task.melody = raw.melody
  if type(raw.melody) ~= "string" or not raw.melody:find(RESOLVED) then
    report(state, ("`%s` is no name of a melody"):format(tostring(raw.melody)), { target = { text = raw.melody } })
  end
  if raw.params ~= nil and not is_map(raw.params) then
    report(state, ("the parameters of sub `%s` are no table with names"):format(tostring(raw.key)))
  end
end

--- The operations that a flow calls: what the definition lists, else the literals of run:call and run:map in its text.
function readers.flow(state, raw, task)
  if not task.fn then return raw.fn == nil and report(state, "a flow has no function") or nil end
  local names = flow_calls.of(task.fn.lua)
  if is_list(raw.operations) then
    names = {}
    for i, target in ipairs(raw.operations) do names[i] = is_map(target) and target.operation or target end
  end
  task.operations = json.array({})
  for i, name in ipairs(names) do
    if not M.split(name) then
      report(state, ("`%s` is no operation: they are named extension.operation"):format(tostring(name)),
             { target = { text = name, fn = task.fn.lua } })
    end
    local given = is_list(raw.operations) and is_map(raw.operations[i]) and raw.operations[i].extension or nil
    task.operations[i] = { operation = name, extension = given or extension_of(name) }
  end
end

--- The normal form of a task; nil when it is none.
---@param state melody.Reading
---@param raw any
---@param seen table<string, boolean> keys of the tasks before
---@return table?
function M.read(state, raw, seen)
  if not is_map(raw) then return report(state, "a task is no table") end
  state.task = type(raw.key) == "string" and raw.key or nil
  state.line = math.type(raw.line) == "integer" and raw.line or nil
  read_key(state, raw.key, seen)
  local verb = read_verb(state, raw)
  if not verb then return nil end
  local kind = verbs.of(raw)
  unknown_fields(state, raw, kind.fields, ("the task `%s`"):format(tostring(raw.key)))
  local task = { key = raw.key, verb = verb, line = raw.line, file = raw.file }
  for _, name in ipairs(kind.values) do task[name] = raw[name] end
  for _, name in ipairs(kind.functions) do task[name] = read_function(state, raw, name) end
  if kind.calls then read_operation(state, raw, task) end
  if readers[verb] then readers[verb](state, raw, task) end
  task.options = read_options(state, verb, raw.options)
  return task
end

return M
