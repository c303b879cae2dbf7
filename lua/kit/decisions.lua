--- Deciding about a task that waits, wherever its run lives: here, in another process, or parked.
local json = require "sy.json"
local problem = require "kit.problem"
local questions = require "kit.questions"
local runner = require "kit.runner"
local time = require "sy.time"

local M = {}

local WAIT_MS = 5000
local STEP_MS = 20

local ASK = [[
INSERT INTO control (id, pipeline_orchestration_id, command, task_key, payload, session_id, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)]]

--- Whether a run lives in this host, or in another process.
---@param host table
---@param row table
---@return "here"|"elsewhere"|nil
function M.lives(host, row)
  local state, owner = host:run_state(row.id), row.owner_host
  if state and (state.status == "running" or state.status == "pending") then return "here" end
  local other = owner ~= json.null and owner ~= nil and owner ~= host:id() and host:alive(owner)
  if other and (row.status == "running" or row.status == "pending") then return "elsewhere" end
  return nil
end

local function current(host, row)
  return host:query("SELECT * FROM pipeline_orchestration WHERE id = ?1", { row.id })[1] or row
end

--- Withdraws what nobody has taken; whether that was so.
local function take_back(host, id)
  host:write([[
UPDATE control SET handled_at = ?2, result = '{"withdrawn":true}' WHERE id = ?1 AND handled_at IS NULL]],
    { id, host:now() })
  local said = host:query("SELECT result FROM control WHERE id = ?1", { id })[1]
  return said ~= nil and said.result == '{"withdrawn":true}'
end

--- Tells the process in which the run lives, and waits for what it says; nil without a problem: it has parked.
local function tell(host, row, what, task, value)
  local id, deadline = host:new_id(), time.monotonic() + WAIT_MS
  local payload = value ~= nil and json.encode(value) or json.null
  local ok, failure, code = host:write(ASK, { id, row.id, what, task, payload, host:id(), host:now() })
  if not ok then return nil, problem.from(failure, code) end
  while time.monotonic() < deadline do
    host:step(STEP_MS)
    local said = host:query("SELECT handled_at, result FROM control WHERE id = ?1", { id })[1]
    if said and said.handled_at ~= json.null then
      local result = json.decode(said.result) or {}
      if result.code then return nil, problem.from(result) end
      return true
    end
    if M.lives(host, current(host, row)) ~= "elsewhere" and take_back(host, id) then return nil end
  end
  return problem.fail("timeout", ("the process that runs #%d did not take it within %d s"):format(row.number,
    WAIT_MS // 1000), { hint = ("symphony show %d"):format(row.number) })
end

--- Whether a task's row says that it waits: in a run that has just been resumed it will, soon.
local function waits(host, row, task)
  for _, one in ipairs(questions.list(host, row.id)) do
    if one.task == task then return true end
  end
  return false
end

--- Waits until it is on disk that a task waits no more.
---@param host table
---@param row table
---@param task string
function M.settled(host, row, task)
  local deadline = time.monotonic() + WAIT_MS
  while waits(host, row, task) and time.monotonic() < deadline do host:step(STEP_MS) end
end

--- Whether a run of this host that takes no decision any more has parked: its end may still be on its way.
local function parks(host, row)
  local deadline = time.monotonic() + WAIT_MS
  while M.lives(host, row) == "here" and time.monotonic() < deadline do host:step(STEP_MS) end
  local state = host:run_state(row.id)
  return state ~= nil and (state.status == "waiting" or state.status == "paused")
end

--- Decides about a task of a run that lives somewhere; nil without a problem: it has parked.
---@param host table
---@param row table
---@param what "answer"|"retry"|"skip"
---@param task string
---@param value any
---@return boolean?
---@return Problem?
function M.decide(host, row, what, task, value)
  local where = M.lives(host, row)
  if where == "elsewhere" then return tell(host, row, what, task, value) end
  if where ~= "here" then return nil end
  local deadline = time.monotonic() + WAIT_MS
  while true do
    local ok, failure, code = host:tell(row.id, what, task, value)
    if ok then return true end
    if code == "not_found" and parks(host, row) then return nil end
    local early = code == "usage" and waits(host, row, task) and time.monotonic() < deadline
    if not early then return nil, problem.from(failure, code) end
    host:step(STEP_MS)
  end
end

--- Gives an answer: to the process in which the run lives, or by going on with a run that has parked.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration
---@param task string
---@param value any checked
---@return "told"|"resumed"|nil
---@return Problem?
function M.answer(host, place, row, task, value)
  local told, why = M.decide(host, row, "answer", task, value)
  if told or why then return told and "told" or nil, why end
  local going, bad = runner.resume(host, place, row, { result = { task = task, value = value } })
  if not going then return nil, bad end
  return "resumed"
end

return M
