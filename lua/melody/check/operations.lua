--- Every operation is one that an installed extension has.
local suggest = require "melody.suggest"

local M = {}

--- The operations that a task may call: its own first, then its fallbacks, last what undoes it; those of a flow are
--- called `later`, with inputs that are not known yet.
---@param task table
---@return { operation: string, input: any, fallback: integer?, own: boolean?, undoes: boolean?, later: boolean? }[]
function M.targets(task)
  local list, options = {}, task.options or {}
  for i, target in ipairs(task.operations or {}) do list[i] = { operation = target.operation, later = true } end
  if task.operation then list[1] = { operation = task.operation, input = task.input } end
  for i, target in ipairs(options.fallback or {}) do
    local input = target.input
    if input == nil then input = task.input end
    list[#list + 1] = { operation = target.operation, input = input, fallback = i, own = target.input ~= nil }
  end
  local undo = options.compensate
  if undo then list[#list + 1] = { operation = undo.operation, input = undo.input, own = true, undoes = true } end
  return list
end

--- Where an operation is named: in a flow, within its function.
local function named(task, name)
  return { text = name, fn = task.verb == "flow" and task.fn.lua or nil }
end

--- An operation whose extension is there, but is not trusted or has a mistake.
local function unusable(context, task, name, why)
  local file = why.where.file
  if why.code == "not_trusted" or not file then
    return context.report(why.code, task, why.message, { target = named(task, name), hint = why.hint })
  end
  context.report(why.code, task, ("the extension of `%s` is not valid: %s"):format(name, why.message),
    { target = named(task, name), hint = "symphony ext check " .. file })
end

--- Adds the problems of this stage, and the operations found as context.operations[name].
---@param context table
function M.run(context)
  context.operations = {}
  if not context.ops then return end
  for _, task in ipairs(context.definition.tasks) do
    for _, target in ipairs(M.targets(task)) do
      local name = target.operation
      local found, names, why = context.ops(name)
      context.operations[name] = found
      if why then
        unusable(context, task, name, why)
      elseif not found then
        context.report("unknown_operation", task, ("no installed extension has the operation `%s`"):format(name),
                       { note = names and suggest.phrase(name, names) or nil, target = named(task, name),
                         hint = "symphony ext ls   lists what is installed" })
      end
    end
  end
end

return M
