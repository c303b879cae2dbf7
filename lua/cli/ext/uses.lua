--- What the last runs used of an extension's capabilities: counted out of the events kit.capability.NAME.
local M = {}

--- How far back: events, counted from the newest.
local EVENTS = 100000
local RUNS = 20

local COUNT = [[
WITH last AS (SELECT id FROM pipeline_orchestration ORDER BY number DESC LIMIT ?2)
SELECT substr(e.event_type, 16) AS capability, sum(json_extract(e.event_payload, '$.allowed')) AS allowed,
  count(*) AS uses
FROM event e WHERE e.seq > (SELECT coalesce(max(seq), 0) FROM event) - ?3
  AND e.topic >= 'kit.capability.' AND e.topic < 'kit.capability/'
  AND json_extract(e.event_payload, '$.extension') = ?1
  AND e.pipeline_orchestration_id IN (SELECT id FROM last)
GROUP BY 1 ORDER BY 1]]

--- How often each capability was used and refused in the last runs.
---@param host table
---@param name string
---@return { capability: string, allowed: integer, denied: integer }[]
function M.of(host, name)
  local list = {}
  for i, row in ipairs(host:query(COUNT, { name, RUNS, EVENTS })) do
    list[i] = { capability = row.capability, allowed = row.allowed, denied = row.uses - row.allowed }
  end
  return list
end

return M
