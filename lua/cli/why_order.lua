--- Why a task was skipped, for what it waits or waited, that it was tried again: from the graph of its definition and
--- the rows of decisions and events.
local json = require "sy.json"
local null = require "kit.null"
local refs = require "melody.refs"
local time = require "sy.time"

local present = null.present
local decoded = null.object

local M = {}

local DECISIONS = [[
SELECT operation_context, resource_allocations, performed_at FROM (
  SELECT id, operation_context, resource_allocations, performed_at FROM pit_operation
  WHERE task_id = ?1 AND operation_type = 'arbitration' ORDER BY performed_at DESC, id DESC LIMIT 100)
ORDER BY performed_at, id]]

local FAILURES = [[
SELECT event_type, event_payload FROM event WHERE task_id = ?1 AND pipeline_orchestration_id = ?2
  AND seq > (SELECT coalesce(max(first_seq), 0) FROM run_span WHERE pipeline_orchestration_id = ?2)
  AND seq <= (SELECT coalesce(max(last_seq), 1 << 62) FROM run_span WHERE pipeline_orchestration_id = ?2)
  AND event_type IN ('task.retry', 'task.fallback', 'error_occurred') ORDER BY seq LIMIT 100]]

--- One reason of a document.
---@param kind string
---@param text string
---@param fields? table
---@return table
function M.reason(kind, text, fields)
  local out = { kind = kind, text = text, run = json.null }
  for name, value in pairs(fields or {}) do out[name] = value end
  return out
end

local reason = M.reason

--- The task of a definition that a key means, and the tasks beside it: "checks/1" is a child of `checks`, "sub/inner" a
--- task of a sub-melody. `prefix` is what the keys of those beside it begin with.
---@param definition table
---@param key string
---@return { task: table, beside: table<string, table>, prefix: string }
function M.place(definition, key)
  local tasks, place, done = definition.tasks, { task = {}, beside = {}, prefix = "" }, ""
  for word in key:gmatch("[^/]+") do
    local beside = {}
    for _, task in ipairs(tasks or {}) do beside[task.key] = task end
    if not beside[word] then break end
    place = { task = beside[word], beside = beside, prefix = done }
    local melody = beside[word].verb == "sub" and (definition.melodies or {})[beside[word].melody]
    tasks, done = melody and melody.tasks or {}, done .. word .. "/"
  end
  return place
end

--- The predecessors of which `wanted` says yes, by key.
local function before(place, states, wanted)
  local list = {}
  if not place.task.key then return list end
  for key, kind in pairs(refs.edges(place.task, place.beside)) do
    local state = states[place.prefix .. key]
    if wanted(state, kind) then list[#list + 1] = { key = place.prefix .. key, state = state } end
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  return list
end

--- Why it was skipped.
---@param place table of M.place
---@param states table<string, table> rows by key
---@param context table its execution_context
---@return table[]
function M.skipped(place, states, context)
  if context.decided then return { reason("decided", "a person skipped it: resume --skip") } end
  local list = {}
  for i, one in ipairs(before(place, states, function(state, kind)
    return kind == "hard" and state and (state.task_status == "failed" or state.outcome == "skipped")
  end)) do
    local how = one.state.outcome == "skipped" and "was skipped" or "failed"
    list[i] = reason("predecessor", ("`%s`, which it needs, %s"):format(one.key, how), { task = one.key })
  end
  if #list > 0 then return list end
  local condition = place.task.options and place.task.options.when
  local source = type(condition) == "table" and condition.lua or condition
  return { reason("condition", type(source) == "string" and ("its condition is false: %s"):format(source)
    or "its condition is false") }
end

--- The tasks it waits for.
---@param place table of M.place
---@param states table<string, table> rows by key
---@return table[]
function M.pending(place, states)
  local list = {}
  for i, one in ipairs(before(place, states, function(state, kind)
    return kind ~= "optional" and (not state or not present(state.completed_at))
  end)) do
    list[i] = reason("predecessor", ("it waits for `%s`"):format(one.key), { task = one.key })
  end
  return list
end

--- "extension git, 4 at a time, 12 ahead of it".
local function gate_words(context)
  local words = { tostring(context.waited_at) }
  if context.limit then words[#words + 1] = ("%d at a time"):format(context.limit) end
  if type(context.rate) == "table" then words[#words + 1] = ("one each %g ms"):format(context.rate.every_ms or 0) end
  if (context.ahead or 0) > 0 then words[#words + 1] = ("%d ahead of it"):format(context.ahead) end
  return table.concat(words, ", ")
end

--- "it used 0.04 usd and 45 tokens"; time of the processor only where it used nothing else.
local function used_text(used)
  local words = {}
  if (used.usd or 0) > 0 then words[1] = ("%.10g usd"):format(used.usd) end
  if (used.tokens or 0) > 0 then words[#words + 1] = ("%d tokens"):format(used.tokens) end
  if #words == 0 then words[1] = ("%.10g ms of CPU"):format(used.cpu_ms or 0) end
  return "it used " .. table.concat(words, " and ")
end

--- What a decision says: in words of its own (`reason`), else its members.
local function decision_text(context, used)
  if context.decision == "budget_settle" then return used_text(used) end
  if type(context.reason) == "string" then return context.reason end
  if context.waited_at then
    return ("%s %.0f ms at %s"):format(context.decision == "refused" and "it was given up after" or "it waited",
      context.waited_ms or 0, gate_words(context))
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

--- Adds what was decided of its turn, its money and its time.
---@param host table
---@param row table
---@param list table[]
---@param now? number what the clock says, where the task may still wait: in ms
---@return boolean waits
function M.add_waits(host, row, list, now)
  local rows, waits = host:query(DECISIONS, { row.id }), false
  for i, one in ipairs(rows) do
    local context = decoded(one.operation_context)
    local lasting = context.decision == "waiting" or context.decision == "budget_wait"
    local text, ms = decision_text(context, decoded(one.resource_allocations)), context.waited_ms
    waits = lasting and now ~= nil and i == #rows
    if waits then
      ms = (ms or 0) + math.max(0, now - (time.parse_iso(one.performed_at) or now))
      text = ("%s, for %.1f s now"):format(text, ms / 1000)
    elseif lasting then
      text = text:gsub("^it waits", "it waited")
    end
    list[#list + 1] = reason(waits and "waits" or "waited", text,
      { decision = context.decision or json.null, ms = ms or json.null })
  end
  return waits
end

--- Adds what failed on the way.
---@param host table
---@param run table
---@param row table
---@param list table[]
function M.add_failures(host, run, row, list)
  for _, one in ipairs(host:query(FAILURES, { row.id, run.id })) do
    local payload = decoded(one.event_payload)
    local failure = type(payload.error) == "table" and payload.error or {}
    local said = ("%s: %s"):format(failure.code or "error", failure.message or "")
    local kind = one.event_type:match("^task%.(%l+)$") or "error"
    local attempt = payload.attempts or 1
    local again = (row.attempts or 0) > attempt and "was" or "is to be"
    local text = kind == "retry" and ("attempt %d failed and %s tried again: %s"):format(attempt, again, said)
      or kind == "fallback" and ("it fell back after %s"):format(said) or said
    list[#list + 1] = reason(kind, text)
  end
end

return M
