--- Which runs go because the store is larger than it may be: the oldest that may go, until what is left fits.
---
--- What a run takes is its share of what the store takes now, by the bytes of its rows and contents: pages and contents
--- that several runs share belong to none of them alone. Reads all rows, so only where a limit is set.
local M = {}

local USED = [[SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)
  - (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)
  + (SELECT coalesce(sum(stored_size), 0) FROM blob WHERE content IS NULL AND state <> 'deleted') AS bytes]]

--- A row costs about 300 bytes with its entries in indexes, whatever it says.
local WEIGHTS = [[
WITH part (run, bytes) AS (
  SELECT t.pipeline_orchestration_id, sum(300 + length(t.task_payload) + coalesce(length(t.output), 0)
    + coalesce(b.stored_size, 0)) FROM task t LEFT JOIN blob b ON b.hash = t.output_hash GROUP BY 1
  UNION ALL SELECT pipeline_orchestration_id, sum(300 + length(event_payload)) FROM event GROUP BY 1
  UNION ALL SELECT t.pipeline_orchestration_id, sum(100 + length(s.data)) FROM task_stream s
    JOIN task t ON t.id = s.task_id GROUP BY 1
  UNION ALL SELECT a.pipeline_orchestration_id, sum(300 + coalesce(b.stored_size, 0)) FROM artifact a
    LEFT JOIN blob b ON b.hash = a.content_hash GROUP BY 1)
SELECT p.id, p.number, 300 + coalesce((SELECT sum(bytes) FROM part WHERE run = p.id), 0) AS bytes
FROM pipeline_orchestration p ORDER BY p.number]]

--- Runs on which others stand: a run goes only after its forks and the runs that its tasks started.
local STANDING = [[
SELECT forked_from AS below, id FROM pipeline_orchestration WHERE forked_from IS NOT NULL
UNION SELECT t.pipeline_orchestration_id, p.id FROM pipeline_orchestration p JOIN task t ON t.id = p.parent_task_id
WHERE t.pipeline_orchestration_id IS NOT NULL]]

--- What the rows and contents of a project take, without free pages.
---@param host table
---@return integer bytes
function M.used(host)
  return host:query(USED, {})[1].bytes
end

local function standing(host)
  local above = {}
  for _, row in ipairs(host:query(STANDING, {})) do
    above[row.below] = above[row.below] or {}
    table.insert(above[row.below], row.id)
  end
  return above
end

local function is_free(above, run, gone)
  for _, id in ipairs(above[run] or {}) do
    if not gone[id] then return false end
  end
  return true
end

--- Adds to `gone` the oldest of the runs that may go, until the rest fits.
---@param host table
---@param most integer bytes
---@param may_go table<string, boolean> ids
---@param gone table<string, boolean> ids of runs that go anyway
function M.beyond(host, most, may_go, gone)
  local used = M.used(host)
  if used <= most then return end
  local runs, total, left = host:query(WEIGHTS, {}), 0, used
  for _, run in ipairs(runs) do total = total + run.bytes end
  for _, run in ipairs(runs) do
    run.bytes = run.bytes / total * used
    if gone[run.id] then left = left - run.bytes end
  end
  local above = standing(host)
  repeat -- what a fork stood on is free once the fork goes
    local found = false
    for i = 1, #runs - 1 do -- never the latest of all
      local run = runs[i]
      if left <= most then return end
      if may_go[run.id] and not gone[run.id] and is_free(above, run.id, gone) then
        gone[run.id], left, found = true, left - run.bytes, true
      end
    end
  until not found
end

return M
