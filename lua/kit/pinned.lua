--- The definition that a run pinned when it began, whatever its melody's file says now.
local definition_of = require "melody.definition"
local json = require "sy.json"
local null = require "kit.null"
local problem = require "kit.problem"

local is_null = null.is

local M = {}

--- Its text: of the melody's version, or of the run itself where one operation was called.
---@param host table
---@param row table of pipeline_orchestration
---@return string?
function M.text(host, row)
  if is_null(row.melody_id) then
    local dag = json.decode(row.task_dag)
    return type(dag) == "table" and dag.definition and json.encode(dag.definition) or nil
  end
  local version = host:query("SELECT definition FROM melody_version WHERE melody_id = ?1 AND hash = ?2",
    { row.melody_id, row.melody_hash })[1]
  return version and version.definition
end

--- The definition, checked for its form.
---@param host table
---@param row table of pipeline_orchestration
---@return table? definition
---@return Problem?
function M.definition(host, row)
  local text = M.text(host, row)
  if not text then
    return problem.fail("db_damaged", ("the melody of run #%d is not stored any more"):format(row.number))
  end
  local definition, problems = definition_of.decode(text)
  if not definition then return nil, problems[1] end
  return definition
end

return M
