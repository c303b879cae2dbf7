--- Every part of an output that is referred to can exist, by the schema of the operation that makes it.
local refs = require "melody.refs"
local suggest = require "melody.suggest"
local types = require "melody.types"

local M = {}

--- The schema of what a task gives, nil: unknown.
local function output_schema(context, task)
  local operation = context.operations[task.operation]
  local schema = operation and operation.output
  if task.verb ~= "each" then return schema end
  return { type = "array", items = schema or true }
end

local function missing(context, task, producer, part, why, names, path)
  local fields = { target = { path = path, part = tostring(part) } }
  local hint = ("symphony ext show %s   lists its outputs"):format(producer.operation)
  if why == "kind" then
    local item = producer.verb == "each" and type(part) == "string"
    local key = producer.key
    fields.hint = item and ("%s is a list, one output per item: %s[1].%s"):format(key, key, part) or hint
    return context.report("type_mismatch", task, ("the output of `%s` has no part `%s`"):format(key, part), fields)
  end
  fields.note, fields.hint = suggest.phrase(tostring(part), names), hint
  fields.severity = why == "open" and "warning" or "error"
  local verb = why == "open" and "declares" or "has"
  context.report("unknown_field", task, ("%s %s no output `%s`"):format(producer.operation, verb, part), fields)
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
