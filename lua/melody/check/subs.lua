--- Sub-melodies exist, get the parameters they declare, and do not call themselves without a condition.
local outputs = require "melody.check.outputs"
local params = require "melody.params"
local suggest = require "melody.suggest"
local types = require "melody.types"

local M = {}

local MAX_DEPTH = 32

local function unknown(context, task)
  local why = context.melodies.why and context.melodies.why[task.melody]
  local target = { text = task.melody }
  if why and why.code ~= "not_found" then
    return context.report(why.code, task, why.message, { target = target, hint = why.hint })
  end
  context.report("melody_invalid", task, ("there is no melody `%s`"):format(task.melody),
                 { note = suggest.phrase(task.melody, context.melodies.names), target = target,
                   hint = "symphony melody ls   lists them" })
end

--- The parameters of a melody as the schema of one object.
local function schema_of(definition)
  local properties, required = {}, {}
  for name, param in pairs(definition.params) do
    properties[name] = params.schema(param)
    if param.required and param.default == nil then required[#required + 1] = name end
  end
  table.sort(required)
  return { type = "object", properties = properties, required = required, additionalProperties = false }
end

local function listener(context, task)
  local on, show = {}, ("symphony melody show %s   lists its parameters"):format(task.melody)
  function on.problem(code, path, text)
    local name = tostring(path[1] or "")
    if code == "missing_param" then
      return context.report(code, task, ("the melody `%s` needs the parameter `%s`"):format(task.melody, name),
                            { target = { text = task.melody }, hint = show })
    end
    context.report(code, task, ("parameter `%s` of the melody `%s`: %s"):format(name, task.melody, text),
                   { target = { path = path }, hint = show })
  end
  function on.unknown(path, _, names)
    local name = tostring(path[#path])
    context.report("unknown_param", task, ("the melody `%s` has no parameter `%s`"):format(task.melody, name),
                   { target = { path = path, part = name }, note = suggest.phrase(name, names), hint = show })
  end
  function on.reference(form, content)
    if form == "$ref" then return outputs.schema(context, task, content) end
    local param = context.definition.params[content[1]]
    return param and #content == 1 and params.schema(param) or nil
  end
  return on
end

--- Whether a task may be left out: it, or one it cannot do without, has a condition.
local function conditional(context, key, seen)
  local task = context.graph.tasks[key]
  if not task or seen[key] then return false end
  seen[key] = true
  if task.options and task.options.when then return true end
  for before, edge in pairs(context.graph.before[key]) do
    if edge == "hard" and conditional(context, before, seen) then return true end
  end
  return false
end

--- The melodies that a melody surely calls.
local function surely(context)
  if not context.surely then
    context.surely = {}
    for _, task in ipairs(context.definition.tasks) do
      if task.verb == "sub" and not conditional(context, task.key, {}) then
        table.insert(context.surely, task.melody)
      end
    end
  end
  return context.surely
end

--- The way from `name` to `goal` through calls without a condition, or nil.
local function way(context, name, goal, seen)
  if name == goal then return { name } end
  local sub = not seen[name] and context.sub(name)
  if not sub then return nil end
  seen[name] = true
  for _, next_name in ipairs(surely(sub)) do
    local found = way(sub, next_name, goal, seen)
    if found then
      table.insert(found, 1, name)
      return found
    end
  end
end

local function check_circle(context, task)
  if not context.name or conditional(context, task.key, {}) then return end
  local found = way(context, task.melody, context.name, {})
  if not found then return end
  table.insert(found, 1, context.name)
  context.report("cycle", task, "melodies call each other without end: " .. table.concat(found, " → "),
                 { target = { text = task.melody }, hint = "give one of the calls a condition: when = …" })
end

--- How many melodies lie below one; calls that end at run time are not counted.
local function depth(context, name, on_way)
  local sub = not on_way[name] and context.sub(name)
  if not sub then return 0 end
  if sub.height then return sub.height end
  on_way[name] = true
  local most = 0
  for _, task in ipairs(sub.definition.tasks) do
    if task.verb == "sub" then most = math.max(most, depth(sub, task.melody, on_way)) end
  end
  on_way[name] = nil
  sub.height = most + 1
  return sub.height
end

local function check_sub(context, task)
  local sub = context.sub(task.melody)
  if not sub then return unknown(context, task) end
  local given = task.params
  if given == nil then given = {} end
  if not context.broken then types.check(given, schema_of(sub.definition), {}, listener(context, task)) end
  check_circle(context, task)
  if context.depth == 0 and depth(context, task.melody, {}) > MAX_DEPTH then
    context.report("melody_invalid", task, ("melodies lie in each other deeper than %d"):format(MAX_DEPTH))
  end
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  for _, task in ipairs(context.definition.tasks) do
    if task.verb == "sub" then check_sub(context, task) end
  end
end

return M
