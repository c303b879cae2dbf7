--- What differs between two runs: their melodies, parameters, tasks, outputs, artifacts, cost and time. Rows are
--- compared by the database: only what differs is read.
local document = require "cli.output.document"
local graph = require "melody.graph"
local json = require "sy.json"
local null = require "kit.null"
local pinned = require "kit.pinned"
local structure = require "kit.structure_diff"
local value_diff = require "kit.value_diff"

local present = null.present

local M = {}

local MOST_TASKS = 1000
local MOST_CHANGES = 200
local MOST_COSTS = 20

-- A value taken from an earlier execution is a value: `cached` is not another end than `ok`.
local TASKS = [[
SELECT a.key, a.operation AS operation, a.task_status AS status_a, b.task_status AS status_b, a.outcome AS outcome_a,
  b.outcome AS outcome_b, a.output AS output_a, b.output AS output_b, a.output_hash AS hash_a, b.output_hash AS hash_b,
  a.error AS error_a, b.error AS error_b
FROM task a LEFT JOIN task b ON b.pipeline_orchestration_id = ?2 AND b.key = a.key
WHERE a.pipeline_orchestration_id = ?1 AND a.key <> '' AND (b.id IS NULL OR a.task_status <> b.task_status
  OR replace(coalesce(a.outcome, ''), 'cached', 'ok') <> replace(coalesce(b.outcome, ''), 'cached', 'ok')
  OR a.output IS NOT b.output OR a.output_hash IS NOT b.output_hash
  OR a.error ->> '$.code' IS NOT b.error ->> '$.code')
UNION ALL
SELECT b.key, b.operation, NULL, b.task_status, NULL, b.outcome, NULL, b.output, NULL, b.output_hash, NULL, b.error
FROM task b LEFT JOIN task a ON a.pipeline_orchestration_id = ?1 AND a.key = b.key
WHERE b.pipeline_orchestration_id = ?2 AND b.key <> '' AND a.id IS NULL
ORDER BY 1 LIMIT ?3]]

local COSTS = [[
SELECT a.key, a.cost_usd AS usd_a, b.cost_usd AS usd_b, a.cost_tokens AS tokens_a, b.cost_tokens AS tokens_b,
  a.cost_ms AS ms_a, b.cost_ms AS ms_b
FROM task a JOIN task b ON b.pipeline_orchestration_id = ?2 AND b.key = a.key
WHERE a.pipeline_orchestration_id = ?1 AND a.key <> ''
  AND (a.cost_usd <> b.cost_usd OR a.cost_tokens <> b.cost_tokens OR a.cost_ms <> b.cost_ms)
ORDER BY abs(a.cost_usd - b.cost_usd) DESC, abs(a.cost_tokens - b.cost_tokens) DESC, abs(a.cost_ms - b.cost_ms) DESC
LIMIT ?3]]

local ARTIFACTS = [[
SELECT t.key, a.artifact_type AS type, a.content_hash AS hash, a.size FROM artifact a JOIN task t ON t.id = a.task_id
WHERE a.pipeline_orchestration_id = ?1 ORDER BY t.key, a.artifact_type, a.created_at, a.id]]

-- ---- values ----

--- A change as the document has it: what it was and is, large values as references, nothing beside a patch.
local function shown(host, change)
  local out = { path = change.path, kind = change.kind }
  if change.patch then
    out.patch = change.patch
    return out
  end
  if change.from ~= nil then out.from = document.shown(host, change.from) end
  if change.to ~= nil then out.to = document.shown(host, change.to) end
  return out
end

local function changes(host, a, b)
  local found, more = value_diff.changes(a, b, { most = MOST_CHANGES })
  local list = json.array {}
  for i, change in ipairs(found) do list[i] = shown(host, change) end
  return list, more
end

local function output_of(host, text, hash)
  if present(text) then return json.decode(text) end
  local bytes = present(hash) and host:artifact_get(hash)
  return bytes and json.decode(bytes) or nil
end

-- ---- tasks ----

local function state(status, outcome, failure)
  if not present(status) then return json.null end
  return { status = status, outcome = null.of(outcome), error = document.error(failure) }
end

local function task_entry(host, row)
  local entry = { key = row.key, operation = row.operation,
    from = state(row.status_a, row.outcome_a, row.error_a), to = state(row.status_b, row.outcome_b, row.error_b) }
  entry.output, entry.more = changes(host, output_of(host, row.output_a, row.hash_a),
    output_of(host, row.output_b, row.hash_b))
  return entry
end

local function tasks(host, a, b)
  local rows = host:query(TASKS, { a.id, b.id, MOST_TASKS + 1 })
  local list = json.array {}
  for i = 1, math.min(#rows, MOST_TASKS) do list[i] = task_entry(host, rows[i]) end
  return list, #rows > MOST_TASKS
end

-- ---- artifacts ----

--- Productions of a run by who made what as which in order: "report html 1" → row.
local function productions(host, run)
  local by_place, order, counts = {}, {}, {}
  for _, row in ipairs(host:query(ARTIFACTS, { run.id })) do
    local kind = row.key .. "\0" .. row.type
    counts[kind] = (counts[kind] or 0) + 1
    local place = ("%s\0%d"):format(kind, counts[kind])
    by_place[place], order[#order + 1] = row, place
  end
  return by_place, order
end

local function artifacts(host, a, b)
  local before, order = productions(host, a)
  local after, order_after = productions(host, b)
  local list = json.array {}
  local function look(place)
    local old, new = before[place], after[place]
    if old and new and old.hash == new.hash then return end
    local one = old or new
    list[#list + 1] = { task = one.key, type = one.type, from = old and old.hash or json.null,
      to = new and new.hash or json.null, from_size = old and old.size or json.null,
      to_size = new and new.size or json.null }
  end
  for _, place in ipairs(order) do look(place) end
  for _, place in ipairs(order_after) do
    if not before[place] then look(place) end
  end
  return list
end

-- ---- cost ----

local function amount(usd, tokens, ms)
  return { usd = usd, tokens = tokens, ms = ms }
end

local function costs(host, a, b)
  local list = json.array {}
  for i, row in ipairs(host:query(COSTS, { a.id, b.id, MOST_COSTS })) do
    list[i] = { key = row.key, from = amount(row.usd_a, row.tokens_a, row.ms_a),
      to = amount(row.usd_b, row.tokens_b, row.ms_b) }
  end
  return list
end

-- ---- all of it ----

local function head(host, run)
  local line = document.run_line(host, run)
  line.melody_hash = null.of(run.melody_hash)
  line.error = document.error(run.error)
  line.forked_from = null.of(run.forked_from)
  return line
end

local function melody_of(host, run)
  local definition = pinned.definition(host, run)
  return definition and { definition = definition, graph = graph.new(definition) } or nil
end

--- The document of `diff`.
---@param host table
---@param a table row of the run that is compared with
---@param b table row of the other run
---@return table
function M.document(host, a, b)
  local doc = { from = head(host, a), to = head(host, b) }
  doc.structure = structure.compare(melody_of(host, a), melody_of(host, b))
  doc.params = changes(host, json.decode(a.params), json.decode(b.params))
  doc.tasks, doc.more_tasks = tasks(host, a, b)
  doc.outputs, doc.more_outputs = changes(host, document.outputs(host, a), document.outputs(host, b))
  doc.artifacts = artifacts(host, a, b)
  doc.costs = costs(host, a, b)
  doc.same = structure.same(doc.structure) and #doc.params == 0 and #doc.tasks == 0 and #doc.outputs == 0
    and #doc.artifacts == 0 and doc.from.status == doc.to.status
  return doc
end

return M
