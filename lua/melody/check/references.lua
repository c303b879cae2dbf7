--- Every reference names a task or parameter that exists, as does every entry of `after`.
local problem = require "melody.problem"
local refs = require "melody.refs"
local suggest = require "melody.suggest"

local M = {}

local EDGES = { hard = true, soft = true, optional = true }

local function names_of(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  return names
end

local function well_formed(content)
  if type(content) ~= "table" or type(content[1]) ~= "string" then return false end
  for key, part in pairs(content) do
    local ok = type(part) == "string" or math.type(part) == "integer" and part >= 1
    if math.type(key) ~= "integer" or not ok then return false end
  end
  return true
end

local function no_task(context, task, key, fields)
  local known = context.graph.keys
  fields.note = suggest.phrase(key, known)
  if context.definition.params[key] then
    fields.note, fields.hint = nil, ("`%s` is a parameter: write params.%s"):format(key, key)
  end
  context.report("melody_invalid", task, ("there is no task `%s`"):format(key), fields)
end

local function check_form(context, task, form, content, value, path)
  local fields = { target = { path = path, part = type(content) == "table" and content[1] or nil } }
  if form == "$literal" then return end
  if form == "$text" then
    if type(content) ~= "table" then context.report("melody_invalid", task, "$text is no list of pieces", fields) end
  elseif not well_formed(content) then
    context.report("melody_invalid", task, form .. " is no list of a name, field names and positions from 1", fields)
  elseif form == "$param" and not context.definition.params[content[1]] then
    fields.note = suggest.phrase(content[1], names_of(context.definition.params))
    context.report("unknown_param", task, ("there is no parameter `%s`"):format(content[1]), fields)
  elseif form == "$ref" and not context.graph.tasks[content[1]] then
    no_task(context, task, content[1], fields)
  elseif value.edge ~= nil and not EDGES[value.edge] then
    local edge = tostring(value.edge)
    context.report("melody_invalid", task, ("`%s` is no edge: hard, soft, optional"):format(edge), fields)
  end
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  local before = #context.problems
  for _, task in ipairs(context.definition.tasks) do
    for _, item in ipairs(refs.values(task)) do
      refs.walk(item.value, function(form, content, value, path)
        if item.name == "list" then path = { "list" } end
        check_form(context, task, form, content, value, path)
      end)
    end
    for _, key in ipairs(task.options and task.options.after or {}) do
      local fields = { target = { option = "after", part = key } }
      if not context.graph.tasks[key] then no_task(context, task, key, fields) end
    end
  end
  refs.walk(context.definition.outputs, function(form, content, value, path)
    check_form(context, nil, form, content, value, path)
  end)
  context.broken = not problem.ok(table.move(context.problems, before + 1, #context.problems, 1, {}))
end

return M
