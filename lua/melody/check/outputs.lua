--- Every part of an output that is referred to can exist, by the schema of the operation that makes it.
local graph = require "melody.graph"
local params = require "melody.params"
local refs = require "melody.refs"
local suggest = require "melody.suggest"
local types = require "melody.types"

local M = {}

local MAX_DEPTH = 32

--- The schema of one output of a melody.
local function value_schema(context, value)
  local form, content = refs.form(value)
  if form == "$ref" then return M.schema(context, nil, content) end
  if form == "$text" then return { type = "string" } end
  local param = form == "$param" and #content == 1 and context.definition.params[content[1]]
  if param then return params.schema(param) end
  if form then return nil end
  local kind = types.of(value)
  return kind ~= "empty" and { type = kind } or nil
end

--- The schema of what a melody gives: its outputs by name, else those of the tasks that nobody depends on.
local function melody_schema(context)
  local properties, outputs = {}, context.definition.outputs
  if outputs then
    for name, value in pairs(outputs) do
      local schema = value_schema(context, value)
      properties[name] = schema == nil and true or schema
    end
  else
    for _, key in ipairs(graph.leaves(context.graph)) do
      local schema = M.schema(context, nil, { key })
      properties[key] = schema == nil and true or schema
    end
  end
  return { type = "object", properties = properties, additionalProperties = false }
end

--- The schema of a sub-melody's outputs, made once; nil while it is made, or where it is not known.
local function sub_schema(context, task)
  local sub = context.sub(task.melody)
  if not sub or sub.depth > MAX_DEPTH or sub.making then return nil end
  if not sub.schema then
    sub.making = true
    sub.schema = melody_schema(sub)
    sub.making = nil
  end
  return sub.schema
end

--- The schema of what a task gives, nil: unknown.
local function output_schema(context, task)
  if task.verb == "ask" then return task.schema end
  if task.verb == "sub" then return sub_schema(context, task) end
  local operation = context.operations[task.operation]
  local schema = operation and operation.output
  if task.verb ~= "each" then return schema end
  return { type = "array", items = schema or true }
end

--- Who gives an output, and where its fields are listed.
local function giver(producer)
  if producer.verb == "ask" then return ("the answer to `%s`"):format(producer.key), nil end
  if producer.verb == "sub" then
    return ("the melody `%s`"):format(producer.melody),
           ("symphony melody show %s   lists its outputs"):format(producer.melody)
  end
  return producer.operation, ("symphony ext show %s   lists its outputs"):format(producer.operation)
end

local function missing(context, task, producer, part, why, names, path)
  local fields = { target = { path = path, part = tostring(part) } }
  local who, hint = giver(producer)
  if why == "kind" then
    local item = producer.verb == "each" and type(part) == "string"
    local key = producer.key
    fields.hint = item and ("%s is a list, one output per item: %s[1].%s"):format(key, key, part) or hint
    return context.report("type_mismatch", task, ("the output of `%s` has no part `%s`"):format(key, part), fields)
  end
  fields.note, fields.hint = suggest.phrase(tostring(part), names), hint
  fields.severity = why == "open" and "warning" or "error"
  local verb = why == "open" and "declares" or "has"
  context.report("unknown_field", task, ("%s %s no output `%s`"):format(who, verb, part), fields)
end

--- The schema of a reference; reports parts that do not exist when `report` is set.
---@param context table
---@param task table? who refers
---@param content (string|integer)[]
---@param path? (string|integer)[] where in the task it stands; nil: only look
---@return any schema
function M.schema(context, task, content, path)
  local producer = context.graph.tasks[content[1]]
  local schema = producer and output_schema(context, producer)
  for i = 2, #content do
    local sub, why, names = types.part(schema, content[i])
    if why and path then missing(context, task, producer, content[i], why, names, path) end
    if sub == nil then return nil end
    schema = sub
  end
  return schema
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  if context.broken then return end
  for _, task in ipairs(context.definition.tasks) do
    for _, item in ipairs(refs.values(task)) do
      refs.walk(item.value, function(form, content, _, path)
        if item.name == "list" then path = { "list" } end
        if form == "$ref" then M.schema(context, task, content, path) end
      end)
    end
  end
  refs.walk(context.definition.outputs, function(form, content, _, path)
    if form == "$ref" then M.schema(context, nil, content, path) end
  end)
end

return M
