--- The JSON documents of contract.md section 2, out of the database's rows.
local budget_of = require "cli.output.budget"
local json = require "sy.json"
local null = require "kit.null"
local waiting = require "cli.output.waiting"

local M = {}

local INLINE_BYTES = 64 << 10

local function decoded(text, default)
  if text == nil or text == json.null then return default end
  local value = json.decode(text)
  if value == nil then return default end
  return value
end

local function cost(row)
  return { usd = row.cost_usd or 0, tokens = row.cost_tokens or 0, ms = row.cost_ms or 0 }
end

local ENDED = { completed = true, failed = true, cancelled = true }

--- The status to show, and whether its owner is dead.
---@param host table
---@param row table
---@return string status, boolean alive, boolean interrupted
function M.status(host, row)
  local owner = row.owner_host
  local alive = not ENDED[row.status] and owner ~= nil and owner ~= json.null and host:alive(owner)
  if (row.status == "running" or row.status == "pending") and not alive then return "paused", false, true end
  return row.status, alive, false
end

--- The melody's name of a run, else the operation that was called.
---@param row table
---@return string
function M.name(row)
  if row.melody_name and row.melody_name ~= json.null then return row.melody_name end
  local options = decoded(row.options, {})
  return options.operation or "call"
end

--- An error column as `error`, or null.
---@param text any
---@return any
function M.error(text)
  local why = decoded(text, nil)
  if type(why) ~= "table" then return json.null end
  local where = type(why.where) == "table" and why.where or {}
  return {
    code = null.of(why.code),
    message = null.of(why.message),
    where = { file = null.of(where.file), line = null.of(where.line), task = null.of(where.task) },
    hint = null.of(why.hint),
  }
end

local function task_document(row)
  return {
    key = row.key,
    id = row.id,
    extension = row.extension_name,
    operation = row.operation:match("([^%.]+)$"),
    status = row.task_status,
    outcome = null.of(row.outcome),
    attempts = row.attempts,
    started_at = null.of(row.started_at),
    completed_at = null.of(row.completed_at),
    cost = cost(row),
    error = M.error(row.error),
  }
end

--- A task of the run's graph that has no row yet is pending.
local function pending_document(task)
  return {
    key = task.key,
    id = json.null,
    extension = task.operation:match("^([^%.]+)"),
    operation = task.operation:match("([^%.]+)$"),
    status = "pending",
    outcome = json.null,
    attempts = 0,
    started_at = json.null,
    completed_at = json.null,
    cost = { usd = 0, tokens = 0, ms = 0 },
    error = json.null,
  }
end

--- Rows of the run's tasks (without the run's own), children behind their parent, else in the melody's order.
---@param host table
---@param run table
---@return table[]
function M.task_rows(host, run)
  return host:query([[
SELECT t.*, e.name AS extension_name FROM task t JOIN extension e ON e.id = t.extension_id
WHERE t.pipeline_orchestration_id = ?1 AND t.key <> '' ORDER BY t.created_at, t.position, t.key]], { run.id })
end

local function root_key(key)
  return key:match("^[^/]+")
end

--- Documents of all tasks, in the order in which the melody runs them.
---@param host table
---@param run table
---@return table[]
function M.tasks(host, run)
  local dag = decoded(run.task_dag, {})
  local groups, extra, list = {}, {}, {}
  for _, row in ipairs(M.task_rows(host, run)) do
    local root = root_key(row.key)
    groups[root] = groups[root] or {}
    table.insert(groups[root], row)
  end
  for _, task in ipairs(M.ordered(dag, decoded(run.execution_sequence, {}))) do
    local rows = groups[task.key] or { false }
    groups[task.key] = nil
    if not (rows[1] and rows[1].key == task.key) and rows[1] then
      list[#list + 1] = pending_document(task)
    end
    for _, row in ipairs(rows) do list[#list + 1] = row and task_document(row) or pending_document(task) end
  end
  for root in pairs(groups) do extra[#extra + 1] = root end
  table.sort(extra)
  for _, root in ipairs(extra) do
    for _, row in ipairs(groups[root]) do list[#list + 1] = task_document(row) end
  end
  return list
end

--- The tasks of a run's graph in their sequence.
---@param dag table { nodes = {{key, operation}} }
---@param sequence string[]
---@return { key: string, operation: string }[]
function M.ordered(dag, sequence)
  local by_key, list = {}, {}
  for _, node in ipairs(dag.nodes or {}) do by_key[node.key] = node end
  for _, key in ipairs(sequence) do list[#list + 1] = by_key[key] end
  return list
end

--- A value as --json shows it: one over 64 KiB is a reference to its artifact.
---@param host table
---@param value any
---@return any
function M.shown(host, value)
  if type(value) ~= "table" and type(value) ~= "string" then return value end
  local text = json.encode(value)
  if #text <= INLINE_BYTES then return value end
  local stored = host:artifact_put(text)
  return stored and { ["$artifact"] = stored.hash, size = #text } or value
end

--- What a run gave, by name: the row has it, or where it is large a reference to it.
---@param host table
---@param run table
---@return table<string, any>
function M.outputs(host, run)
  local value = decoded(run.outputs, {})
  local hash = type(value) == "table" and value["$artifact"]
  if type(hash) ~= "string" then return value end
  return decoded(host:artifact_get(hash), value)
end

local function outputs(host, run)
  local shown = {}
  for name, value in pairs(M.outputs(host, run)) do shown[name] = M.shown(host, value) end
  return shown
end

local function artifacts(host, run)
  local list = json.array {}
  for _, row in ipairs(host:query([[
SELECT a.id, a.content_hash, a.artifact_type, a.size, t.key FROM artifact a JOIN task t ON t.id = a.task_id
WHERE a.pipeline_orchestration_id = ?1 ORDER BY a.created_at, a.id]], { run.id })) do
    list[#list + 1] = { id = row.id, hash = row.content_hash, type = row.artifact_type, task = row.key,
      size = row.size }
  end
  return list
end

--- The run document.
---@param host table
---@param run table a row as cli.select.run gives it
---@return table
function M.run(host, run)
  local status, alive, interrupted = M.status(host, run)
  return {
    run = run.id,
    number = run.number,
    melody = M.name(run),
    melody_hash = null.of(run.melody_hash),
    forked_from = null.of(run.forked_from),
    status = status,
    alive = alive,
    interrupted = interrupted,
    orchestration_type = run.orchestration_type,
    durability = run.durability,
    started_at = null.of(run.started_at),
    completed_at = null.of(run.completed_at),
    tasks = json.array(M.tasks(host, run)),
    outputs = outputs(host, run),
    artifacts = artifacts(host, run),
    waiting = waiting.list(host, run),
    cost = cost(run),
    budget = null.of(budget_of.of(host, run)),
    error = M.error(run.error),
  }
end

--- One entry of `runs`.
---@param host table
---@param run table
---@return table
function M.run_line(host, run)
  local status, _, interrupted = M.status(host, run)
  return {
    run = run.id,
    number = run.number,
    melody = M.name(run),
    status = status,
    interrupted = interrupted,
    waits_for = waiting.first(host, run),
    started_at = null.of(run.started_at),
    completed_at = null.of(run.completed_at),
    cost = cost(run),
  }
end

--- The exit code that belongs to a run's status.
---@param status string
---@param interrupted boolean
---@return integer
function M.exit_code(status, interrupted)
  if interrupted then return 130 end
  local codes = { completed = 0, failed = 1, cancelled = 1, waiting = 5, paused = 130, running = 0, pending = 0 }
  return codes[status] or 1
end

return M
