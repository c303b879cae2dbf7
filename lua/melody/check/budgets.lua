--- Where a budget of money or tokens applies, every operation under it says before a call how much it may use.
local estimates = require "melody.estimates"
local operations = require "melody.check.operations"

local M = {}

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  if not context.ops then return end
  for _, task in ipairs(context.definition.tasks) do
    local budget = task.options and task.options.budget
    for _, target in ipairs(budget and operations.targets(task) or {}) do
      local operation = context.operations[target.operation]
      local units = operation and estimates.unknown(operation, budget) or {}
      if units[1] then
        context.report("melody_invalid", task,
          ("its budget limits %s, and `%s` does not say what it may use"):format(units[1], target.operation),
          { target = { option = "budget" }, hint = estimates.hint(units) })
      end
    end
  end
end

return M
