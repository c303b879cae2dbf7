--- Why a task ran, was cached, skipped, waited, was tried again: as a document, out of rows only.
local document = require "cli.output.document"
local json = require "sy.json"
local pinned = require "kit.pinned"
local select = require "cli.select"
local why_cache = require "cli.why_cache"

local M = {}

local DECISIONS = [[
SELECT operation_type, operation_context FROM pit_operation WHERE task_id = ?1 AND operation_type IN ('arbitration',
  'dag_tracking') ORDER BY performed_at, id LIMIT 100]]

local FAILURES = [[
SELECT event_type, event_payload FROM event WHERE task_id = ?1 AND pipeline_orchestration_id = ?2
  AND event_type IN ('task.retry', 'task.fallback', 'error_occurred') ORDER BY seq LIMIT 100]]

local function present(value)
  return value ~= nil and value ~= json.null
end

local function decoded(text)
  local value = type(text) == "string" and json.decode(text) or nil
  return type(value) == "table" and value or {}
end

local function reason(kind, text, fields)
  local out = { kind = kind, text = text, run = json.null }
  for name, value in pairs(fields or {}) do out[name] = value end
  return out
end

--- The task of a definition that a key means: "checks/1" is a child of `checks`, "sub/inner" a task of a sub-melody.
local function spec_of(definition, key)
  local tasks, found = definition.tasks, nil
  for word in key:gmatch("[^/]+") do
    local inner
    for _, task in ipairs(tasks or {}) do
      if task.key == word then inner = task end
    end
    if not inner then break end
    found = inner
    local melody = inner.verb == "sub" and (definition.melodies or {})[inner.melody]
    tasks = melody and melody.tasks
  end
  return found or {}
end

-- ---- skipped, waiting ----

local function prefix_of(key)
  return key:match("^(.*/)[^/]+$") or ""
end

--- Those before a task that have no value, or have not ended.
local function before(run, row, states, wanted)
  local list, prefix = {}, prefix_of(row.key)
  for _, edge in ipairs(decoded(run.task_dag).edges or {}) do
    local state = states[prefix .. edge[1]] or states[edge[1]]
    if (prefix .. edge[2] == row.key or edge[2] == row.key) and wanted(state, edge[3]) then
      list[#list + 1] = { key = edge[1], state = state }
    end
  end
  return list
end

local function skip_reasons(run, row, states, spec, context)
  if context.decided then return { reason("decided", "a person skipped it: resume --skip") } end
  local list = {}
  for i, one in ipairs(before(run, row, states, function(state, kind)
    return kind == "hard" and state and (state.task_status == "failed" or state.outcome == "skipped")
  end)) do
    local how = one.state.outcome == "skipped" and "was skipped" or "failed"
    list[i] = reason("predecessor", ("`%s`, which it needs, %s"):format(one.key, how), { task = one.key })
  end
  if #list > 0 then return list end
  local condition = spec.options and spec.options.when
  local source = type(condition) == "table" and condition.lua or condition
  return { reason("condition", type(source) == "string" and ("its condition is false: %s"):format(source)
    or "its condition is false") }
end

local function pending_reasons(run, row, states)
  local list = {}
  for i, one in ipairs(before(run, row, states, function(state, kind)
    return kind ~= "optional" and (not state or not present(state.completed_at))
  end)) do
    list[i] = reason("predecessor", ("it waits for `%s`"):format(one.key), { task = one.key })
  end
  if #list == 0 then list[1] = reason("pending", ("it has not begun; the run is %s"):format(run.status)) end
  return list
end

-- ---- on the way ----

--- What a decision says: in words of its own (`reason`), else its members.
local function decision_text(context)
  if type(context.reason) == "string" then return context.reason end
  if context.decision == "granted" and context.waited_at then
    return ("it waited %.0f ms at %s (%s at a time)"):format(context.waited_ms or 0, context.waited_at,
      tostring(context.limit))
  end
  local words = {}
  for name, value in pairs(context) do
    if name ~= "decision" and type(value) ~= "table" then
      words[#words + 1] = ("%s %s"):format(name, tostring(value))
    end
  end
  table.sort(words)
  return ("%s: %s"):format(tostring(context.decision or context.action or "decided"), table.concat(words, ", "))
end

local function waits(host, row, list)
  for _, one in ipairs(host:query(DECISIONS, { row.id })) do
    local context = decoded(one.operation_context)
    if one.operation_type == "arbitration" then
      list[#list + 1] = reason("waited", decision_text(context), { decision = context.decision or json.null,
        ms = context.waited_ms or json.null })
    end
  end
end

local function failures(host, run, row, list)
  for _, one in ipairs(host:query(FAILURES, { row.id, run.id })) do
    local payload = decoded(one.event_payload)
    local failure = type(payload.error) == "table" and payload.error or {}
    local said = ("%s: %s"):format(failure.code or "error", failure.message or "")
    local attempt = payload.attempts or 1
    local kind = one.event_type:match("^task%.(%l+)$") or "error"
    local text = kind == "retry" and ("attempt %d failed and was tried again: %s"):format(attempt, said)
      or kind == "fallback" and ("it fell back after %s"):format(said) or said
    list[#list + 1] = reason(kind, text)
  end
end

-- ---- a task ----

local function verdict_of(row)
  if row.outcome == "cached" or row.outcome == "skipped" or row.outcome == "cancelled" then return row.outcome end
  if row.task_status == "failed" then return "failed" end
  if row.task_status == "completed" then return "ran" end
  return row.task_status == "executing" and "running" or "pending"
end

local function reasons_of(host, run, row, states, spec)
  local context = decoded(row.execution_context)
  local list, verdict = {}, verdict_of(row)
  waits(host, row, list)
  failures(host, run, row, list)
  if verdict == "skipped" then
    table.move(skip_reasons(run, row, states, spec, context), 1, 100, #list + 1, list)
  elseif verdict == "pending" then
    table.move(pending_reasons(run, row, states), 1, 100, #list + 1, list)
  elseif type(context.cache) == "table" then
    table.move(why_cache.looked_up(host, run, row, context.cache, spec), 1, 100, #list + 1, list)
  elseif verdict ~= "cancelled" then
    list[#list + 1] = why_cache.not_looked_up(host, run, row, spec)
  end
  return verdict, json.array(list)
end

local function pending_row(task)
  return { key = task.key, operation = task.extension .. "." .. task.operation, task_status = "pending",
    id = "", outcome = json.null }
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
  local found, none = select.tasks(rows, glob)
  if not found then return nil, none end
  local definition = pinned.definition(host, run) or { tasks = {} }
  local tasks = json.array {}
  for i, row in ipairs(found) do
    local verdict, reasons = reasons_of(host, run, row, states, spec_of(definition, row.key))
    tasks[i] = { key = row.key, operation = row.operation, status = row.task_status, outcome = row.outcome,
      verdict = verdict, reasons = reasons }
  end
  return { run = run.id, number = run.number, melody = document.name(run), tasks = tasks }
end

return M
