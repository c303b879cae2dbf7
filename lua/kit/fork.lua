--- Writes a fork: a new run of the same pinned melody whose rows are those of another run, as far as they are kept.
--- It is parked, and `resume` goes on with it: what has a result is not executed again. Its root task says what was
--- forked.
local ids = require "kit.import_ids"
local import_sql = require "kit.import_sql"
local json = require "sy.json"
local problem = require "kit.problem"
local transfer = require "kit.transfer"

local M = {}

local PAGE = 1000

local TABLES = {}
for _, one in ipairs(transfer.TABLES) do TABLES[one.name] = one end

local ROWS = [[SELECT * FROM task WHERE pipeline_orchestration_id = ?1 AND key > ?2 ORDER BY key LIMIT ?3]]

local ARTIFACTS = [[SELECT a.*, t.key FROM json_each(?2) j JOIN task t ON t.id = j.value
JOIN artifact a ON a.task_id = t.id WHERE a.pipeline_orchestration_id = ?1 ORDER BY a.id]]

local STAGE = "INSERT INTO temp.import_chunk (kind, content) VALUES (?1, ?2)"

local Writer = {}
Writer.__index = Writer

local function decoded(text)
  local value = json.decode(text)
  return type(value) == "table" and value or {}
end

local VALUES = { ok = true, cached = true, fallback = true }

-- Of an execution's context only what says something of the result.
local LASTING = { "max_reached", "code", "decided", "fallback" }

--- Where a row's result comes from: the run that executed it, through any number of forks.
function Writer:context(row)
  local before, context = decoded(row.execution_context), {}
  for _, name in ipairs(LASTING) do context[name] = before[name] end
  context.forked_from = before.forked_from or { run = self.run.id, number = self.run.number, task = row.id }
  return json.encode(context)
end

--- A row as the fork has it: its result, nothing that was spent. An open one has not begun.
function Writer:row(row, fate)
  local out = {}
  for name, value in pairs(row) do out[name] = value end
  out.id, out.pipeline_orchestration_id, out.parent_task_id = self.id(row.id), self.fork, self.id(row.parent_task_id)
  out.created_at, out.dispatched_at, out.started_at, out.completed_at = self.now, json.null, json.null, json.null
  out.attempts, out.cost_usd, out.cost_tokens, out.cost_ms = 0, 0, 0, 0
  if fate == "open" then
    out.task_status, out.outcome, out.execution_context = "pending", json.null, "{}"
    out.output, out.output_hash, out.error = json.null, json.null, json.null
    return out
  end
  out.dispatched_at, out.completed_at = self.now, self.now
  out.execution_context = self:context(row)
  if VALUES[row.outcome] then out.outcome = "cached" end
  return out
end

--- A production is the fork's, too: a row whose metadata names the original.
function Writer:artifact(row)
  local metadata = decoded(row.metadata)
  metadata.cached_from = metadata.cached_from or { artifact = row.id, run = self.run.id, task = row.key }
  return { id = self.id(row.id), event_id = row.event_id, extension_id = row.extension_id, melody_id = row.melody_id,
    artifact_type = row.artifact_type, content_hash = row.content_hash, metadata = json.encode(metadata),
    quality_metrics = row.quality_metrics, created_at = self.now, task_id = self.id(row.task_id),
    pipeline_orchestration_id = self.fork, size = row.size }
end

local function sure(ok, failure, code)
  if not ok then error(problem.from(failure, code), 0) end
  return ok
end

function Writer:stage(kind, rows)
  if #rows > 0 then sure(self.host:write(STAGE, { kind, json.encode(json.array(rows)) })) end
end

function Writer:page(rows)
  local kept, with_value, artifacts = {}, json.array {}, {}
  for _, row in ipairs(rows) do
    local fate = self.plan:fate(row)
    if fate then kept[#kept + 1] = self:row(row, fate) end
    if fate == "keep" then
      with_value[#with_value + 1] = row.id
      self.kept = self.kept + 1
    end
  end
  self:stage("task", kept)
  for _, row in ipairs(sure(self.host:query(ARTIFACTS, { self.run.id, json.encode(with_value) }))) do
    artifacts[#artifacts + 1] = self:artifact(row)
  end
  self:stage("artifact", artifacts)
end

function Writer:rows()
  local at = ""
  repeat
    local rows = sure(self.host:query(ROWS, { self.run.id, at, PAGE }))
    self:page(rows)
    at = rows[#rows] and rows[#rows].key
  until #rows < PAGE
end

-- ---- rows of its own ----

local RUN = [[
INSERT INTO pipeline_orchestration (id, conductor_id, melody_id, orchestration_type, project_id, number, melody_hash,
  status, durability, root_task_id, forked_from, created_at, params, options, execution_sequence, task_dag)
SELECT ?2, conductor_id, melody_id, orchestration_type, project_id,
  (SELECT max(number) + 1 FROM pipeline_orchestration), melody_hash, 'paused', durability, ?3, ?1, ?4, ?5, ?6,
  execution_sequence, task_dag FROM pipeline_orchestration WHERE id = ?1]]

local ROOT = [[
INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status, execution_context,
  created_at, dispatched_at, orchestra_kit_id, pipeline_orchestration_id, key, operation, extension_version_id,
  attempts, started_at)
SELECT ?3, t.conductor_id, t.extension_id, t.melody_id, t.task_type,
  json_set(t.task_payload, '$.number', (SELECT number FROM pipeline_orchestration WHERE id = ?2)), 'executing',
  json_object('forked_from', json_object('run', ?1, 'from', ?5)), ?4, ?4, t.orchestra_kit_id, ?2, '', t.operation,
  t.extension_version_id, 1, ?4 FROM task t WHERE t.pipeline_orchestration_id = ?1 AND t.key = '']]

local DECISION = [[
INSERT INTO pit_operation (id, task_id, operation_type, operation_context, resource_allocations, performed_at)
VALUES (?1, ?2, 'dag_tracking', ?3, '{}', ?4)]]

-- What `only` leaves out is skipped: the fork can end.
local LEFT_OUT = [[
INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status, execution_context,
  created_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key, parent_task_id, operation, outcome)
SELECT ?2, r.conductor_id, r.extension_id, r.melody_id, r.task_type, '{}', 'completed',
  '{"left_out":true,"decided":true}', ?5, ?5,
  r.orchestra_kit_id, r.pipeline_orchestration_id, ?3, coalesce((SELECT p.id FROM task p
  WHERE p.pipeline_orchestration_id = r.pipeline_orchestration_id AND p.key = ?6), r.id), ?4, 'skipped'
FROM task r WHERE r.id = ?1]]

local function again_keys(plan)
  local list = json.array {}
  for i, one in ipairs(plan.again) do list[i] = one.key end
  return list
end

function Writer:steps(options)
  local root, steps = self.id(self.run.root_task_id), {}
  local function add(sql, params) steps[#steps + 1] = { sql, params } end
  add(RUN, { self.run.id, self.fork, root, self.now, json.encode(options.params), json.encode(options.options) })
  add(ROOT, { self.run.id, self.fork, root, self.now, options.from })
  add(import_sql.rows(self.host, TABLES.task), { self.fork })
  add(import_sql.rows(self.host, TABLES.artifact), { self.fork })
  for _, one in ipairs(self.plan.left_out) do
    local operation = one.task.operation or "host." .. (one.task.verb or "task")
    add(LEFT_OUT, { root, self.host:new_id(), one.key, operation, self.now, one.key:match "^(.*)/[^/]*$" or "" })
  end
  add(DECISION, { self.host:new_id(), root, json.encode { decision = "re_execution", run = self.run.id,
    from = options.from, only = options.only or false, again = again_keys(self.plan), kept = self.kept }, self.now })
  return steps
end

local function write(self, options)
  sure(self.host:transaction {
    { "DROP TABLE IF EXISTS temp.import_chunk" },
    { "CREATE TEMP TABLE import_chunk (kind TEXT NOT NULL, content TEXT NOT NULL)" },
  })
  self:rows()
  sure(self.host:transaction(self:steps(options)))
end

--- Writes the fork of a run, parked.
---@param host table
---@param run table row
---@param plan ForkPlan
---@param options { from: string, only: boolean?, params: table, options: table }
---@return string? id of the new run
---@return Problem?
function M.write(host, run, plan, options)
  local fork = host:new_id()
  local self = setmetatable({ host = host, run = run, plan = plan, fork = fork, id = ids.mapper(fork), now = host:now(),
    kept = 0 }, Writer)
  local fine, why = pcall(write, self, options)
  host:write "DROP TABLE IF EXISTS temp.import_chunk"
  if not fine then return nil, problem.from(why) end
  return fork, nil
end

return M
