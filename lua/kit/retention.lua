--- What is kept and for how long: which runs are old enough to go, what goes with them, and when. How they are removed
--- without anybody waiting is core/pit/stale/retention.h.
local fs = require "sy.fs"
local json = require "sy.json"
local problem = require "kit.problem"
local retention_files = require "kit.retention_files"
local retention_size = require "kit.retention_size"
local time = require "sy.time"

local M = {}

local DAY_MS = 86400000
local AUTO_MS = 100
local OPERATION = "host.storage"

---@class Retention
---@field keep integer ended runs of each melody that stay, however old
---@field keep_days integer others stay for so long; 0: for ever
---@field max_bytes integer above it the oldest go all the same; 0: no limit
---@field artifacts table the policy of host:collect

--- What the settings say.
---@param settings Config
---@return Retention
function M.policy(settings)
  return {
    keep = settings:get "runs.keep",
    keep_days = settings:get "runs.keep_days",
    max_bytes = settings:get "runs.max_mib" * (1 << 20),
    artifacts = {
      hot_ms = settings:get "artifact.hot_days" * DAY_MS,
      archive_ms = settings:get "artifact.archive_days" * DAY_MS,
      max_bytes = settings:get "artifact.max_mib" * (1 << 20),
      cache_ms = settings:get "cache.keep_days" * DAY_MS,
      cache_bytes = settings:get "cache.max_mib" * (1 << 20),
    },
  }
end

--- The stamp before which things are old; "" is before all.
local function old_before(policy)
  if policy.keep_days == 0 then return "" end
  return time.iso(time.now_ms() - policy.keep_days * DAY_MS)
end

--- A run stays with those that were forked from it, that its tasks started, and with an artifact that was pinned.
--- CROSS JOIN: from the few that stay for such a reason.
local OLD = [[
WITH RECURSIVE ranked AS (
  SELECT id, number, completed_at, status IN ('completed', 'failed', 'cancelled') AS ended,
    row_number() OVER (PARTITION BY melody_id, status IN ('completed', 'failed', 'cancelled') ORDER BY number DESC)
      AS rank
  FROM pipeline_orchestration),
kept (id) AS (
  SELECT id FROM ranked WHERE NOT ended OR rank <= ?1 OR completed_at IS NULL OR completed_at >= ?2
  UNION SELECT coalesce((SELECT a.pipeline_orchestration_id FROM artifact a WHERE a.id = n.artifact_id),
      (SELECT a.pipeline_orchestration_id FROM artifact a WHERE a.content_hash = n.content_hash
       AND a.pipeline_orchestration_id IS NOT NULL ORDER BY a.created_at DESC LIMIT 1)) FROM pin n
  UNION SELECT p.forked_from FROM kept k CROSS JOIN pipeline_orchestration p ON p.id = k.id
    WHERE p.forked_from IS NOT NULL
  UNION SELECT t.pipeline_orchestration_id FROM kept k CROSS JOIN pipeline_orchestration p ON p.id = k.id
    CROSS JOIN task t ON t.id = p.parent_task_id WHERE t.pipeline_orchestration_id IS NOT NULL)
SELECT id, number FROM ranked WHERE id NOT IN (SELECT id FROM kept WHERE id IS NOT NULL) ORDER BY number DESC]]

local ALL = "9999"

--- The ids of runs that are older than a stamp and not among the newest of their melody.
local function runs_before(host, keep, before)
  local rows, failure, code = host:query(OLD, { keep, before })
  if not rows then error(problem.from(failure, code), 0) end
  local set = {}
  for _, row in ipairs(rows) do set[row.id] = true end
  return set
end

--- Ids of the runs that are to go, the latest first.
---@param host table
---@param policy Retention
---@return string[]
function M.old_runs(host, policy)
  local before, list = old_before(policy), {}
  local gone = before ~= "" and runs_before(host, policy.keep, before) or {}
  if policy.max_bytes > 0 then
    retention_size.beyond(host, policy.max_bytes, runs_before(host, 0, ALL), gone)
  end
  if next(gone) == nil then return list end
  for _, row in ipairs(host:query("SELECT id FROM pipeline_orchestration ORDER BY number DESC", {})) do
    if gone[row.id] then list[#list + 1] = row.id end
  end
  return list
end

-- ---- doing it ----

--- Openings whose process died without saying so have ended now.
local function end_sessions(host)
  local steps = {}
  for _, row in ipairs(host:query("SELECT id FROM session WHERE ended_at IS NULL", {})) do
    if not host:alive(row.id) then
      steps[#steps + 1] = { "UPDATE session SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL",
        { row.id, host:now() } }
    end
  end
  if #steps == 0 then return true end
  return host:transaction(steps)
end

local function must(value, failure, code)
  if value == nil then error(problem.from(failure, code), 0) end
  return value
end

local function counted(host, runs)
  local list = json.encode(json.array(runs))
  local counts = {}
  for name, what in pairs { tasks = "task", events = "event", artifacts = "artifact" } do
    counts[name] = host:query(("SELECT count(*) AS n FROM %s WHERE pipeline_orchestration_id IN "
      .. "(SELECT value FROM json_each(?1))"):format(what), { list })[1].n
  end
  return counts
end

--- What a dry run tells: nothing is changed.
local function forecast(host, place, policy)
  local runs = M.old_runs(host, policy)
  local artifacts = {}
  for key, value in pairs(policy.artifacts) do artifacts[key] = value end
  artifacts.dry_run = true
  return { runs = #runs, left = 0, rows = counted(host, runs), contents = must(host:collect(artifacts)),
    files = #retention_files.old(host, place), given_back = 0 }
end

local function rows_of(removed, tidied)
  return { tasks = removed.tasks, events = removed.events, artifacts = removed.artifacts, decisions = removed.decisions,
    pieces = removed.pieces, sessions = tidied.sessions, host_tasks = tidied.host_tasks, requests = tidied.controls,
    melody_versions = tidied.melody_versions, extension_versions = tidied.extension_versions }
end

--- Removes what is old, for about `budget_ms` (0: all of it).
---@param host table
---@param place Place
---@param policy Retention
---@param budget_ms integer
---@return table report
function M.clean(host, place, policy, budget_ms)
  local deadline = budget_ms > 0 and time.monotonic() + budget_ms
  local function left() return deadline and math.max(1, math.floor(deadline - time.monotonic())) or 0 end
  must(end_sessions(host))
  local removed = must(host:remove_runs(M.old_runs(host, policy), left()))
  local tidied = must(host:tidy(old_before(policy), left()))
  local files = 0
  for _, path in ipairs(retention_files.old(host, place)) do
    if fs.rmtree(path) then files = files + 1 end
  end
  local artifacts = { budget_ms = left() }
  for key, value in pairs(policy.artifacts) do artifacts[key] = value end
  local contents = must(host:collect(artifacts))
  return { runs = removed.runs, left = removed.left, rows = rows_of(removed, tidied), contents = contents,
    files = files, given_back = must(host:give_back(left())) }
end

M.forecast = forecast

--- The task that cleaning is.
---@return { type: string, operation: string, payload: table }
function M.about(payload)
  return { type = "artifact_processing", operation = OPERATION, payload = payload }
end

--- The decision of the Pit that it stands for.
function M.decide(host, report)
  host:decide("stale_management", json.encode { action = "retention", runs = report.runs, left = report.left,
    contents_deleted = report.contents.deleted, files = report.files }, json.encode { bytes_freed = report.given_back })
end

local LAST = [[
SELECT coalesce(completed_at, created_at) AS at, output ->> '$.left' AS unfinished FROM task
WHERE pipeline_orchestration_id IS NULL AND key = ?1 ORDER BY created_at DESC LIMIT 1]]

--- Whether it is time to clean up unasked: a day after the last time, at once when that one did not get to the end.
---@param host table
---@return boolean
function M.due(host)
  local last = host:query(LAST, { OPERATION })[1]
    or host:query("SELECT created_at AS at, 0 AS unfinished FROM project", {})[1]
  if not last then return false end
  local unfinished = math.tointeger(tonumber(last.unfinished) or 0) or 0
  return unfinished > 0 or last.at < time.iso(time.now_ms() - DAY_MS)
end

--- Cleans up unasked, so briefly that nobody waits. What goes wrong shows in the task's row and is no concern of the
--- command that happens to do it.
---@param host table
---@param place Place
---@param settings Config
function M.auto(host, place, settings)
  if not settings:get "gc.auto" or not M.due(host) then return end
  local policy = M.policy(settings)
  pcall(require("kit.chore").run, host, M.about { action = "gc", auto = true, budget_ms = AUTO_MS }, function()
    local report = M.clean(host, place, policy, AUTO_MS)
    M.decide(host, report)
    return report
  end)
end

return M
