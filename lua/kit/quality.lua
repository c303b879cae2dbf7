--- What named judges measured of artifacts: artifact.quality_metrics, [{judge, version, verdict, value, at}].
--- A judge has one entry for each artifact: its latest.
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

local BATCH = 200

local JUDGE = [[
UPDATE artifact SET quality_metrics = json_insert(
  (SELECT json_group_array(json(value)) FROM json_each(artifact.quality_metrics)
   WHERE json_extract(value, '$.judge') <> ?2), '$[#]', json(?3))
WHERE content_hash = ?1]]

--- Keeps verdicts on contents: every artifact with that content gets them.
---@param host table
---@param judge string
---@param verdicts { hash: string, verdict: string, value: number }[]
---@return boolean?, Problem?
function M.judge(host, judge, verdicts)
  local version, steps = require("sy.system").version, {}
  for i, one in ipairs(verdicts) do
    steps[#steps + 1] = { JUDGE, { one.hash, judge, json.encode { judge = judge, version = version,
      verdict = one.verdict, value = one.value, at = host:now() } } }
    if #steps == BATCH or i == #verdicts then
      local ok, failure, code = host:transaction(steps)
      if not ok then return nil, problem.from(failure, code) end
      steps = {}
    end
  end
  return true
end

return M
