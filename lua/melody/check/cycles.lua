--- No task waits for itself, through whatever other tasks.
local graph = require "melody.graph"

local M = {}

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  local order, circle = graph.order(context.graph)
  context.cyclic = not order
  if order then return end
  local names = table.concat(circle, " → ") .. " → " .. circle[1]
  local first = context.graph.tasks[circle[1]]
  context.report("cycle", first, "tasks wait for each other in a circle: " .. names,
                 { hint = "each waits for the one before it; remove one of these references or `after` entries" })
end

return M
