--- Conditions and functions compile, and do not name tasks that do not exist.
local refs = require "melody.refs"
local suggest = require "melody.suggest"

local M = {}

--- Globals that every function sees, or that those of a loop see.
local GIVEN = { params = true, tasks = true, it = true, i = true }

--- A global that is nearly a task's key was meant to be one.
local function check_names(context, task, item)
  for name in pairs(refs.globals(item.fn)) do
    local near = rawget(_G, name) == nil and not context.graph.tasks[name] and not GIVEN[name]
                 and suggest.nearest(name, context.graph.keys)
    if near then
      context.report("expression_error", task, ("`%s` is no task, it will be nil"):format(name),
                     { severity = "warning", note = ("did you mean `%s`?"):format(near),
                       target = { option = item.name, part = name } })
    end
  end
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  for _, task in ipairs(context.definition.tasks) do
    for _, item in ipairs(refs.functions(task)) do
      local ok, message, line = context.compile(item.fn.lua)
      if ok then
        check_names(context, task, item)
      else
        local at = item.fn.line and item.fn.line + (line or 1) - 1
        local what = item.name == "fn" and "the function" or "the condition"
        context.report("expression_error", task, ("%s does not compile: %s"):format(what, tostring(message)),
                       { line = at, file = item.fn.file, target = { option = item.name } })
      end
    end
  end
end

return M
