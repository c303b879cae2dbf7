--- What a living run is asked by another process: the request is a row, its owner looks for those.
local problem = require "kit.problem"
local select = require "cli.select"
local time = require "sy.time"

local M = {}

local WAIT_MS = 5000
local STEP_MS = 50

local ASK = [[
INSERT INTO control (id, pipeline_orchestration_id, command, session_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)]]

--- Asks the owner of a run.
---@param host table
---@param row table
---@param command "cancel"|"pause"
---@return boolean?, Problem?
function M.ask(host, row, command)
  local ok, failure, code = host:write(ASK, { host:new_id(), row.id, command, host:id(), host:now() })
  if not ok then return nil, problem.from(failure, code) end
  return true
end

--- Waits, for some seconds, until whoever owns the run has brought it to one of these ends.
---@param host table
---@param row table
---@param ends table<string, true>
---@return table row as it is then
function M.settle(host, row, ends)
  local deadline = time.monotonic() + WAIT_MS
  while not ends[row.status] and time.monotonic() < deadline do
    host:step(STEP_MS)
    row = select.run(host, row.id) or row
  end
  return row
end

return M
