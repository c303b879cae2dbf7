--- When a run's tasks were wanted, began and ended, from the stamps of their rows. Children of a map or a loop are
--- counted at their parent.
local critical_path = require "cli.critical_path"
local document = require "cli.output.document"
local json = require "sy.json"
local null = require "kit.null"
local pinned = require "kit.pinned"
local time = require "sy.time"

local present = null.present

local M = {}

local COLUMNS = [[
SELECT t.id, t.key, t.operation, t.task_status, t.outcome, t.attempts, t.created_at, t.dispatched_at, t.started_at,
  t.completed_at, t.cost_usd, t.cost_tokens, json_extract(t.execution_context, '$.stage') AS stage FROM task t
WHERE t.pipeline_orchestration_id = ?1 ]]

-- A part that begins with a digit is a child of a map or a loop.
local FOLDED = COLUMNS .. [[AND t.key <> '' AND t.key NOT GLOB '*/[0-9]*'
ORDER BY coalesce(t.started_at, t.dispatched_at, t.created_at), t.id]]

local ALL = COLUMNS .. [[AND t.key <> '' AND (coalesce(t.started_at, t.dispatched_at, t.created_at), t.id) > (?2, ?3)
ORDER BY coalesce(t.started_at, t.dispatched_at, t.created_at), t.id LIMIT ?4]]

local CHILDREN = [[
SELECT t.parent_task_id AS parent, count(*) AS count, sum(t.task_status = 'failed') AS failed
FROM task t WHERE t.pipeline_orchestration_id = ?1 AND t.key GLOB '*/[0-9]*' GROUP BY t.parent_task_id]]

local LAST_CHILD = COLUMNS .. [[AND t.parent_task_id = ?2 AND t.completed_at IS NOT NULL
ORDER BY t.completed_at DESC, t.position LIMIT 1]]

local PAGE = 20000

local function ms_of(stamp, base)
  return present(stamp) and time.parse_iso(stamp) - base or nil
end

--- A row as a span of milliseconds since the run began; what still goes on ends now.
local function span_of(row, model)
  local wanted = ms_of(row.created_at, model.base)
  local start = ms_of(row.started_at, model.base) or ms_of(row.dispatched_at, model.base) or wanted
  local finish = ms_of(row.completed_at, model.base)
  return {
    id = row.id, key = row.key, operation = row.operation, status = row.task_status, outcome = row.outcome,
    attempts = row.attempts, stage = present(row.stage) and math.tointeger(row.stage) or nil,
    usd = row.cost_usd, tokens = row.cost_tokens,
    from = math.min(wanted, start), start = start, finish = finish or model.finish, open = finish == nil,
    skipped = row.outcome == "skipped",
  }
end

local ENDED = { completed = true, failed = true, cancelled = true }

--- Milliseconds of the run's beginning and, from there, of its end: of what ended last, where it goes on now.
local function bounds(host, run)
  local base = time.parse_iso(present(run.started_at) and run.started_at or run.created_at)
  if ENDED[run.status] and present(run.completed_at) then return base, time.parse_iso(run.completed_at) - base end
  local _, alive = document.status(host, run)
  if alive then return base, time.now_ms() - base end
  local row = host:query([[SELECT max(coalesce(completed_at, started_at, dispatched_at, created_at)) AS at FROM task
WHERE pipeline_orchestration_id = ?1]], { run.id })[1]
  return base, math.max(0, (ms_of(row.at, base) or 0))
end

--- The spans of a run, in the order in which they began, and its critical path.
---@param host table
---@param run table a row as cli.select.run gives it
---@return table { base, finish, spans, path }
function M.model(host, run)
  local model = { spans = {}, by_key = {}, run = run }
  model.base, model.finish = bounds(host, run)
  local counts = {}
  for _, row in ipairs(host:query(CHILDREN, { run.id })) do counts[row.parent] = row end
  for i, row in ipairs(host:query(FOLDED, { run.id })) do
    local span = span_of(row, model)
    local children = counts[row.id]
    if children then
      span.children = { count = children.count, failed = children.failed }
      local last = host:query(LAST_CHILD, { run.id, row.id })[1]
      span.last_child = last and span_of(last, model)
    end
    model.spans[i], model.by_key[row.key] = span, span
  end
  local definition = pinned.definition(host, run)
  if definition then critical_path.set_ready(definition, model.by_key) end
  model.path = definition and critical_path.find(definition, model.by_key) or {}
  return model
end

--- Calls `fn` with every span of the run, children too, in the order in which they began. Reads in pages.
---@param host table
---@param model table
---@param fn fun(span: Span)
function M.each(host, model, fn)
  local at, id = "", ""
  while true do
    local rows = host:query(ALL, { model.run.id, at, id, PAGE })
    for _, row in ipairs(rows) do fn(model.by_key[row.key] or span_of(row, model)) end
    if #rows < PAGE then return end
    local last = rows[#rows]
    at = present(last.started_at) and last.started_at or present(last.dispatched_at) and last.dispatched_at
      or last.created_at
    id = last.id
  end
end

local function span_document(span)
  return {
    key = span.key, operation = span.operation, status = span.status,
    outcome = span.outcome == nil and json.null or span.outcome, attempts = span.attempts,
    stage = span.stage or json.null, wait_ms = span.start - span.from, start_ms = span.start,
    ms = span.finish - span.start, critical = span.critical or false, children = span.children or json.null,
  }
end

--- The document of `trace --json`.
---@param host table
---@param model table
---@return table
function M.document(host, model)
  local doc = document.run_line(host, model.run)
  doc.ms, doc.tasks, doc.critical_path = model.finish, json.array {}, json.array {}
  for i, span in ipairs(model.spans) do doc.tasks[i] = span_document(span) end
  for i, span in ipairs(model.path) do
    doc.critical_path[i] = { key = span.key, wait_ms = span.gap, start_ms = span.start, ms = span.finish - span.start }
  end
  return doc
end

return M
