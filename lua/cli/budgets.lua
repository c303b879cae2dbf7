--- Budgets from the command line: --budget 0.50usd, --budget 90s, --budget notes=0.05usd for one task.
local budget = require "melody.budget"
local problem = require "kit.problem"

local M = {}

local HINT = "--budget 0.50usd | 20000tok | 90s | 10scpu, for one task: --budget notes=0.05usd"

--- The options that commands declare.
M.options = {
  { name = "budget", argument = "[TASK=]AMOUNT", repeated = true,
    doc = "what it may use at most: 0.50usd, 20000tok, 90s, 10scpu; TASK=0.05usd for one task" },
  { name = "on-breach", argument = "WHAT", choices = { "stop", "ask", "downgrade" },
    doc = "when a budget does not cover the next call: stop, ask or downgrade" },
}

--- Texts by task; those of the run under "".
local function by_task(texts)
  local groups, order = {}, {}
  for _, text in ipairs(texts or {}) do
    local task, amount = text:match("^([^=]+)=(.*)$")
    task, amount = task or "", amount or text
    if not groups[task] then
      groups[task] = {}
      order[#order + 1] = task
    end
    table.insert(groups[task], amount)
  end
  return groups, order
end

--- The budget of a run's options; nil when none is given.
---@param options { budget: string[]?, ["on-breach"]: string? }
---@return table? budget {usd_micro, tokens, wall_ms, cpu_ms, on_breach, tasks}
---@return Problem?
function M.collect(options)
  local groups, order = by_task(options.budget)
  local out, tasks = {}, {}
  for _, task in ipairs(order) do
    local read, message = budget.read(groups[task])
    if not read then return problem.fail("usage", "--budget: " .. message, { hint = HINT }) end
    read.on_breach = options["on-breach"]
    if task == "" then out = read else tasks[task] = read end
  end
  if next(tasks) then out.tasks = tasks end
  out.on_breach = options["on-breach"]
  return next(out) and out or nil
end

--- What was stored with a run, with what is given now over it.
---@param stored table?
---@param given table
---@return table
function M.merge(stored, given)
  local out = {}
  for _, from in ipairs { stored or {}, given } do
    for name, value in pairs(from) do
      if name ~= "tasks" then out[name] = value end
    end
    for task, limits in pairs(from.tasks or {}) do
      out.tasks = out.tasks or {}
      out.tasks[task] = M.merge(out.tasks[task], limits)
    end
  end
  return out
end

return M
