--- What the specs of budgets share: a project with the metered operation, and what was decided about its budgets.
---
---   local spend = require "spend".new()
---   before_each(spend.open)   -- from then on spend.dir is its folder
local json = require "sy.json"
local trial = require "trial"

local M = {}

--- Ten calls in a row, of 0.1 usd and 1,000 tokens each.
M.CHAIN = [[
local last
for i = 1, 10 do
  last = m:task("t" .. i, "meter.ask", { usd = 0.1, tokens = 1000 }, last and { after = { last } })
end]]

function M.ok(task) return task.outcome == "ok" end

function M.refused(task)
  return task.status == "failed" and task.error ~= json.null and task.error.code == "budget_exceeded"
end

function M.count(doc, test)
  local n = 0
  for _, task in ipairs(doc.tasks) do n = n + (test(task) and 1 or 0) end
  return n
end

function M.near(expected, got)
  if math.abs(expected - got) >= 1e-9 then error(("%s is not %s"):format(got, expected), 2) end
end

local function decoded(value)
  return type(value) == "string" and json.decode(value) or value
end

function M.new()
  local spend = trial.new "meter"
  local opened, written = spend.open, spend.melody

  function spend.open()
    opened()
    spend.melody ""
  end

  --- Writes the melody `spend`, or `name`.
  function spend.melody(body, name) written(name or "spend", body) end

  --- Runs it: its document, and how the command ended.
  function spend.run(...)
    local result = spend.symphony("run", "spend", "--json", ...)
    return spend.document(result), result
  end

  --- Decisions of the arbiter about budgets, in their order; of one run when its document is given.
  function spend.decisions(doc)
    local list, ids = {}, {}
    local rows = spend.document(spend.symphony("data", "pit_operation", "--json", "--limit", "100000")).rows or {}
    for _, task in ipairs(doc and doc.tasks or {}) do ids[task.id] = true end
    table.sort(rows, function(a, b) return a.id < b.id end)
    for _, row in ipairs(rows) do
      local context = decoded(row.operation_context)
      if tostring(context.decision):match "^budget" and (not doc or ids[row.task_id]) then
        list[#list + 1] = context
        context.used = decoded(row.resource_allocations)
      end
    end
    return list
  end

  return spend
end

return M
