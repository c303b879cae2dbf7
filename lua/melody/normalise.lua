--- Brings the shape of a definition into the one normal form of docs/definition.md: known fields only, options read,
--- durations in milliseconds, functions as {lua, line, captures, uses}. Whether it makes sense is check.lua's work.
local json = require "sy.json"
local read_task = require "melody.read_task"
local refs = require "melody.refs"
local shape = require "melody.shape"
local suggest = require "melody.suggest"
local triggers = require "melody.triggers"

local M = {}

M.FORMAT = 1

--- "acme/textkit.split" → "acme/textkit", "split"; see melody.read_task.
M.split = read_task.split

local KEY = "^[a-z_][a-z0-9_]*$"
local NAME = "^[%a_][%w_-]*$"
local TYPES = { "string", "number", "integer", "boolean", "array", "object", "any" }

local contains, is_list, is_map = shape.contains, shape.is_list, shape.is_map
local report, unknown_fields = shape.report, shape.unknown_fields

local FIELDS = {
  definition = { "format", "name", "doc", "source", "params", "tasks", "outputs", "triggers", "melodies" },
  param = { "type", "default", "doc", "required", "enum", "line" },
}

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

local function read_tasks(state, raw)
  local tasks, seen = json.array({}), {}
  if not is_list(raw) then
    report(state, "`tasks` is no list")
    return tasks
  end
  for _, item in ipairs(raw) do tasks[#tasks + 1] = read_task.read(state, item, seen) end
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
      item.fn.uses = uses -- also when it is empty: nobody has to guess then
    end
  end
end

local function read_trigger(state, item, number)
  if not is_map(item) or not contains(triggers.kinds, item.on) or type(item.spec) ~= "string" then
    report(state, ("the trigger %d is no {\"on\": …, \"spec\": \"…\"}"):format(number),
           { hint = "on is one of: " .. table.concat(triggers.kinds, ", ") })
    return nil
  end
  local line = math.type(item.line) == "integer" and item.line or nil
  local ok, message, hint = triggers.check(item.on, item.spec)
  if not ok then
    report(state, ("on %s %q: %s"):format(item.on, item.spec, message), { line = line, hint = hint })
  end
  return { on = item.on, spec = item.spec, line = line }
end

local function read_triggers(state, raw)
  if raw == nil then return nil end
  local out = json.array({})
  if not is_list(raw) then return report(state, "`triggers` is no list") end
  for i, item in ipairs(raw) do out[#out + 1] = read_trigger(state, item, i) end
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

local function read_melodies(state, raw)
  if raw == nil then return nil end
  if not is_map(raw) then return report(state, "`melodies` is no table with names") end
  local out = {}
  for name, definition in pairs(raw) do
    if type(definition) == "table" and definition.melodies ~= nil then
      report(state, ("`melodies` stands at the top level only, not in `%s`"):format(name))
    end
    local read, problems = M.run(definition)
    for _, one in ipairs(problems) do
      one.where.file = one.where.file or type(definition) == "table" and definition.source or state.file
      state.problems[#state.problems + 1] = one
    end
    out[name] = read
  end
  return next(out) ~= nil and out or nil
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
    melodies = read_melodies(state, raw.melodies),
  }, state.problems
end

return M
