--- What the host does on its own is a task too: it has a row without a run, events, and the Pit's decisions.
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

---@class ChoreAbout
---@field type "extension_activation"|"resource_allocation"|"artifact_processing"
---@field operation string host.kit, host.pool or host.artifacts
---@field payload table

--- Runs `work` as a task of the host: it ends completed with the result, or failed with the problem.
---@generic T
---@param host table
---@param about ChoreAbout
---@param work fun(): T?, Problem?
---@return T?, Problem?
function M.run(host, about, work)
  local id, failure, code = host:begin_task {
    type = about.type,
    operation = about.operation,
    payload = json.encode(about.payload),
  }
  if not id then return nil, problem.from(failure, code) end
  local fine, result, why = pcall(work)
  if not fine then
    host:end_task { code = "internal", message = tostring(result) }
    error(result, 0)
  end
  if result == nil then
    host:end_task { code = why and why.code or "internal", message = why and why.message }
  else
    host:end_task { output = json.encode(result) }
  end
  return result, why
end

return M
