--- Inputs fit the declared schemas: literals wholly, references by the schema of what they refer to.
local operations = require "melody.check.operations"
local outputs = require "melody.check.outputs"
local params = require "melody.params"
local refs = require "melody.refs"
local suggest = require "melody.suggest"
local types = require "melody.types"

local M = {}

local function path_name(path)
  local parts = {}
  for i, part in ipairs(path) do
    parts[i] = type(part) == "number" and ("[%d]"):format(part) or (i > 1 and "." or "") .. part
  end
  return table.concat(parts)
end

--- The schema of a reference or parameter, nil: unknown.
local function schema_of(context, task, form, content)
  if form == "$ref" then return outputs.schema(context, task, content) end
  local param = context.definition.params[content[1]]
  if not param or #content > 1 then return nil end
  return params.schema(param)
end

--- What types.check reports to, for one input of one operation.
local function listener(context, task, operation, prefix)
  local on = {}
  local show = ("symphony ext show %s   lists its inputs"):format(operation)
  local function place(path)
    local full = table.move(prefix, 1, #prefix, 1, {})
    return table.move(path, 1, #path, #full + 1, full)
  end
  function on.problem(code, path, text)
    local name = path_name(path)
    local target = { path = place(path) }
    if code == "missing_param" then
      return context.report(code, task, ("%s needs the input `%s`"):format(operation, name), { hint = show })
    end
    local what = name == "" and ("the input of %s"):format(operation) or ("input `%s` of %s"):format(name, operation)
    context.report(code, task, what .. ": " .. text, { target = target, hint = show })
  end
  function on.unknown(path, closed, names)
    local last = tostring(path[#path])
    local note = suggest.phrase(last, names)
    if not closed and not note then return end -- an open schema takes more than it names
    context.report("unknown_field", task,
                   ("%s %s no input `%s`"):format(operation, closed and "has" or "declares", path_name(path)),
                   { target = { path = place(path), part = last }, note = note, hint = show,
                     severity = closed and "error" or "warning" })
  end
  function on.reference(form, content)
    return schema_of(context, task, form, content)
  end
  return on
end

local function check_target(context, task, target)
  local operation = context.operations[target.operation]
  if not operation or operation.input == nil or target.later then return end
  local input, prefix = target.input, target.undoes and { "compensate" } or {}
  if input == nil then input = {} end
  types.check(input, operation.input, {}, listener(context, task, target.operation, prefix))
end

local function check_task(context, task)
  for _, target in ipairs(operations.targets(task)) do check_target(context, task, target) end
end

--- Without a function, the output of one iteration is the input of the next.
local function check_loop(context, task)
  check_task(context, task)
  local operation = context.operations[task.operation]
  if task.fn or not operation or task.max == 1 then return end
  local ok, why = types.compatible(operation.output, operation.input)
  if ok then return end
  context.report("type_mismatch", task,
    ("the output of %s, the input of its next call, is %s"):format(task.operation, why),
    { target = { text = task.operation }, hint = "make an input of it: function(previous, i) return { … } end" })
end

--- Without a function of its own, the items of the list are the inputs.
local function check_items(context, task, items)
  for _, target in ipairs(operations.targets(task)) do
    local operation = context.operations[target.operation]
    local input = operation and operation.input
    if target.own then
      check_target(context, task, target)
    elseif not task.fn and input ~= nil and items ~= nil then
      local ok, why = types.compatible(items, input)
      if not ok then
        context.report("type_mismatch", task, ("the items given to %s are %s"):format(target.operation, why),
                       { target = { path = { "list" } },
                         hint = "make an input of each: function(item) return { … } end" })
      end
    end
  end
end

local function check_literal_items(context, task, list)
  for _, target in ipairs(operations.targets(task)) do
    local operation = context.operations[target.operation]
    if not target.own and operation and operation.input ~= nil then
      for i, item in ipairs(list) do
        types.check(item, operation.input, { i }, listener(context, task, target.operation, { "list" }))
      end
    end
  end
end

local function check_each(context, task)
  local form, content = refs.form(task.list)
  local plain = form == "$literal" and content or not form and task.list or nil
  local schema
  if plain ~= nil then
    local kind = types.of(plain)
    schema = { type = kind == "empty" and "array" or kind }
  else
    schema = form == "$text" and { type = "string" } or schema_of(context, task, form, content)
  end
  local ok, why = types.compatible(schema, { type = "array" })
  if not ok then
    local fields = { target = { path = { "list" } } }
    return context.report("type_mismatch", task, ("the list of each is %s"):format(why), fields)
  end
  if plain ~= nil and not task.fn then check_literal_items(context, task, plain) end
  check_items(context, task, plain == nil and type(schema) == "table" and schema.items or nil)
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  if context.broken then return end
  for _, task in ipairs(context.definition.tasks) do
    local checks = { each = check_each, loop = check_loop }
    local verify = checks[task.verb] or check_task
    verify(context, task)
  end
end

return M
