--- Why a task ran, was cached, skipped, waited, was tried again: as a document, out of rows only.
local document = require "cli.output.document"
local held = require "cli.why_held"
local json = require "sy.json"
local null = require "kit.null"
local order = require "cli.why_order"
local pinned = require "kit.pinned"
local select = require "cli.select"
local why_cache = require "cli.why_cache"
local why_undone = require "cli.why_undone"

local decoded = null.object

local M = {}

local function verdict_of(row)
  if row.outcome == "cached" or row.outcome == "skipped" or row.outcome == "cancelled" then return row.outcome end
  if row.outcome == "compensated" then return "undone" end
  if row.task_status == "failed" then return "failed" end
  if row.task_status == "completed" then return "ran" end
  return row.task_status == "executing" and "running" or "pending"
end

local function own_reasons(host, run, row, verdict, states, place)
  local context = decoded(row.execution_context)
  if verdict == "skipped" then return order.skipped(place, states, context) end
  if verdict == "cancelled" then return { order.reason("cancelled", "the run was cancelled") } end
  if type(context.cache) == "table" then return why_cache.looked_up(host, run, row, context.cache, place.task) end
  return { why_cache.not_looked_up(host, run, row, place.task) }
end

local function task_document(host, run, row, states, definition, of_run)
  local verdict, list, place = verdict_of(row), json.array {}, order.place(definition, row.key)
  order.add_failures(host, run, row, list)
  why_undone.add(row, states, list)
  local is_held = held.add(host, of_run, row, place, states, list)
  local own = is_held and {} or own_reasons(host, run, row, verdict, states, place)
  table.move(own, 1, #own, #list + 1, list)
  return { key = row.key, operation = row.operation, status = row.task_status, outcome = row.outcome,
    verdict = verdict, reasons = list }
end

local function pending_row(task)
  return { key = task.key, operation = task.extension .. "." .. task.operation, task_status = "pending",
    id = "", outcome = json.null, attempts = 0 }
end

--- The tasks that a glob means, each with its reasons.
---@param host table
---@param run table a row of select.run
---@param glob string
---@return table? document
---@return Problem?
function M.document(host, run, glob)
  local rows, states = {}, {}
  for _, row in ipairs(document.task_rows(host, run)) do
    rows[#rows + 1], states[row.key] = row, row
  end
  for _, task in ipairs(document.tasks(host, run)) do
    if not states[task.key] then rows[#rows + 1] = pending_row(task) end
  end
  local found, none = select.tasks(rows, glob, run.number)
  if not found then return nil, none end
  local definition = pinned.definition(host, run) or { tasks = {} }
  local tasks = json.array {}
  local of_run = held.of_run(host, run)
  for i, row in ipairs(found) do tasks[i] = task_document(host, run, row, states, definition, of_run) end
  return { run = run.id, number = run.number, melody = document.name(run), tasks = tasks }
end

return M
