--- Brings the shape of a definition into the one normal form of docs/definition.md: known fields only, options read,
--- durations in milliseconds, functions as {lua, line, captures, uses}. Whether it makes sense is check.lua's work.
local json = require "sy.json"
local options = require "melody.options"
local problem = require "melody.problem"
local refs = require "melody.refs"
local suggest = require "melody.suggest"

local M = {}

M.FORMAT = 1

--- The verbs of a task that this version runs.
M.VERBS = { "task", "each" }

local KEY = "^[a-z_][a-z0-9_]*$"
local NAME = "^[%a_][%w_-]*$"
local TYPES = { "string", "number", "integer", "boolean", "array", "object", "any" }
local RESERVED = { params = true, tasks = true, it = true }
local TRIGGERS = { "schedule", "event", "file", "webhook", "melody" }

local FIELDS = {
  definition = { "format", "name", "doc", "source", "params", "tasks", "outputs", "triggers" },
  param = { "type", "default", "doc", "required", "enum", "line" },
  task = { "key", "verb", "operation", "extension", "input", "options", "line", "file" },
  each = { "key", "verb", "operation", "extension", "list", "fn", "options", "line", "file" },
}

--- "acme/textkit.split" → "acme/textkit", "split"; nil when it is no operation's name.
---@param operation any
---@return string? extension
---@return string? name
function M.split(operation)
  if type(operation) ~= "string" then return nil end
  return operation:match("^([%w_/-]+)%.([%w_.-]+)$")
end

local function contains(list, item)
  for _, other in ipairs(list) do
    if other == item then return true end
  end
  return false
end

local function extension_of(operation)
  return M.split(operation) or json.null
end

--- One run of normalising: where problems go and what they are about.
local function report(state, message, fields)
  local where = { file = state.file, line = state.line, task = state.task }
  fields = fields or {}
  for key, value in pairs(where) do
    if fields[key] == nil then fields[key] = value end
  end
  state.problems[#state.problems + 1] = problem.new(fields.code or "melody_invalid", message, fields)
end

local function unknown_fields(state, value, known, what)
  local names = {}
  for key in pairs(value) do names[#names + 1] = tostring(key) end
  table.sort(names)
  for _, name in ipairs(names) do
    if not contains(known, name) then
      report(state, ("%s has no field `%s`"):format(what, name),
             { code = "unknown_field", note = suggest.phrase(name, known), target = { option = name } })
    end
  end
end

local function is_list(value)
  return type(value) == "table" and (next(value) == nil or #value > 0)
end

local function is_map(value)
  return type(value) == "table" and (next(value) == nil or #value == 0)
end

local function read_param(state, name, raw)
  if not is_map(raw) then return report(state, ("the parameter `%s` is no table"):format(name)) end
  state.line = math.type(raw.line) == "integer" and raw.line or nil
  local what = ("the parameter `%s`"):format(name)
  if not name:find(KEY) then
    report(state, ("`%s` is no name of a parameter: they match [a-z_][a-z0-9_]*"):format(name))
  end
  unknown_fields(state, raw, FIELDS.param, what)
  local kind = raw.type == nil and "any" or raw.type
  if not contains(TYPES, kind) then
    report(state, ("%s has no type `%s`"):format(what, tostring(kind)),
           { hint = "one of: " .. table.concat(TYPES, ", "), note = suggest.phrase(tostring(kind), TYPES) })
  end
  local required = raw.required
  if required == nil then required = raw.default == nil end
  if type(required) ~= "boolean" then report(state, what .. ": `required` is true or false") end
  if raw.doc ~= nil and type(raw.doc) ~= "string" then report(state, what .. ": `doc` is a string") end
  if raw.enum ~= nil and (not is_list(raw.enum) or #raw.enum == 0) then
    report(state, what .. ": `enum` is a list of the allowed values")
  end
  return { type = kind, default = raw.default, doc = raw.doc, required = required, enum = raw.enum, line = raw.line }
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
  if not contains(M.VERBS, verb) then
    report(state, ("unknown verb `%s`"):format(tostring(verb)),
           { note = suggest.phrase(tostring(verb), M.VERBS), hint = "there are: " .. table.concat(M.VERBS, ", ") })
    return nil
  end
  return verb
end

local function read_task(state, raw, seen)
  if not is_map(raw) then return report(state, "a task is no table") end
  state.task = type(raw.key) == "string" and raw.key or nil
  state.line = math.type(raw.line) == "integer" and raw.line or nil
  read_key(state, raw.key, seen)
  local verb = read_verb(state, raw)
  if not verb then return nil end
  unknown_fields(state, raw, FIELDS[verb], ("the task `%s`"):format(tostring(raw.key)))
  if not M.split(raw.operation) then
    report(state, ("`%s` is no operation: they are named extension.operation"):format(tostring(raw.operation)))
  end
  local extension = raw.extension
  if extension == nil or extension == json.null then extension = extension_of(raw.operation) end
  local task = {
    key = raw.key, verb = verb, operation = raw.operation, extension = extension, line = raw.line,
    file = raw.file, input = raw.input, options = read_options(state, verb, raw.options),
  }
  if verb == "each" then
    task.list = raw.list
    if raw.list == nil then report(state, ("each `%s` has no list"):format(tostring(raw.key))) end
    if raw.fn ~= nil and raw.fn ~= json.null then
      local fn, message = options.callable(raw.fn, state)
      if not fn then report(state, "the function of each: " .. message) end
      task.fn = fn
    end
  end
  return task
end

local function read_tasks(state, raw)
  local tasks, seen = json.array({}), {}
  if not is_list(raw) then
    report(state, "`tasks` is no list")
    return tasks
  end
  for _, item in ipairs(raw) do tasks[#tasks + 1] = read_task(state, item, seen) end
  state.task, state.line = nil, nil
  if #raw == 0 then
    report(state, "a melody without tasks", { hint = 'm:task("key", "extension.operation", { … })' })
  end
  return tasks
end

--- Writes into every function the keys of the tasks whose outputs it reads: edges, like references.
local function write_uses(tasks)
  local keys = {}
  for _, task in ipairs(tasks) do keys[task.key or ""] = true end
  for _, task in ipairs(tasks) do
    for _, item in ipairs(refs.functions(task)) do
      local uses = json.array({})
      for name in pairs(refs.globals(item.fn)) do
        if keys[name] then uses[#uses + 1] = name end
      end
      table.sort(uses)
      item.fn.uses = #uses > 0 and uses or nil
    end
  end
end

local function read_triggers(state, raw)
  if raw == nil then return nil end
  local out = json.array({})
  if not is_list(raw) then return report(state, "`triggers` is no list") end
  for i, item in ipairs(raw) do
    if not is_map(item) or not contains(TRIGGERS, item.on) or type(item.spec) ~= "string" then
      report(state, ("the trigger %d is no {\"on\": …, \"spec\": \"…\"}"):format(i),
             { hint = "on is one of: " .. table.concat(TRIGGERS, ", ") })
    else
      out[i] = { on = item.on, spec = item.spec }
    end
  end
  return #out > 0 and out or nil
end

local function read_params(state, raw)
  local params = {}
  if raw ~= nil and not is_map(raw) then
    report(state, "`params` is no table with names")
    return params
  end
  for name, param in pairs(raw or {}) do params[name] = read_param(state, tostring(name), param) end
  state.line = nil
  return params
end

--- The normal form of a definition, and what is wrong with its shape.
---@param raw any what the builder made, or a decoded JSON file
---@param file? string the melody's file, for messages and as `source`
---@return table? definition nil when it is no definition at all
---@return melody.Problem[] problems
function M.run(raw, file)
  local state = { problems = {}, file = file }
  if not is_map(raw) then
    report(state, "this is no definition of a melody: it must be one object")
    return nil, state.problems
  end
  unknown_fields(state, raw, FIELDS.definition, "a melody")
  if raw.format ~= M.FORMAT then
    report(state, ("the format %s is not known to this version"):format(tostring(raw.format)), { hint = '"format": 1' })
  end
  if type(raw.name) ~= "string" or not raw.name:find(NAME) then
    report(state, ("`%s` is no name of a melody: letters, digits, _ and -"):format(tostring(raw.name)))
  end
  if raw.doc ~= nil and type(raw.doc) ~= "string" then report(state, "`doc` is no string") end
  if raw.outputs ~= nil and not is_map(raw.outputs) then report(state, "`outputs` is no table with names") end
  local tasks = read_tasks(state, raw.tasks)
  write_uses(tasks)
  return {
    format = M.FORMAT, name = raw.name, doc = raw.doc, source = file or raw.source,
    params = read_params(state, raw.params), tasks = tasks,
    outputs = raw.outputs, triggers = read_triggers(state, raw.triggers),
  }, state.problems
end

return M
