--- What holds a task back now: its turn, a delay before another attempt, a person, time; or did when its process ended.
local decisions = require "kit.decisions"
local null = require "kit.null"
local order = require "cli.why_order"
local questions = require "kit.questions"
local time = require "sy.time"

local M = {}

local reason = order.reason

local AGAIN = [[
SELECT operation_context ->> '$.attempt' AS attempt, operation_context ->> '$.delay_ms' AS delay_ms, performed_at
FROM pit_operation WHERE task_id = ?1 AND operation_context ->> '$.decision' = 're_execution'
ORDER BY performed_at DESC, id DESC LIMIT 1]]

--- What is known of a run for all its tasks: whether a process executes it, and what waits for a person or sleeps.
---@param host table
---@param run table
---@return table
function M.of_run(host, run)
  local held = { run = run, lives = decisions.lives(host, run) ~= nil, asked = {} }
  held.over = run.status == "completed" or run.status == "failed" or run.status == "cancelled"
  for _, one in ipairs(questions.list(host, run.id)) do held.asked[one.task] = one end
  return held
end

--- A question, a decision, a sleep.
local function asked(held, one)
  local command = questions.command(held.run.number, one)
  if one.why == "answer" then
    return reason("question", ("it waits for an answer: %s   %s"):format(questions.text(one), command))
  end
  if one.why == "time" then return reason("sleep", one.message) end
  return reason("decision", ("it waits for a decision: %s   %s"):format(one.message or "", command))
end

--- The delay before another attempt; nil: there is none, or no process that would make it.
local function delay(host, held, row, now)
  if row.task_status ~= "pending" or (row.attempts or 0) == 0 or not held.lives then return nil end
  local one = host:query(AGAIN, { row.id })[1]
  if not one or one.attempt ~= row.attempts + 1 then return nil end
  local left = (time.parse_iso(one.performed_at) or now) + one.delay_ms - now
  if left <= 0 then return reason("delay", ("attempt %d is due"):format(one.attempt), { ms = 0 }) end
  return reason("delay", ("attempt %d begins in %.1f s"):format(one.attempt, left / 1000), { ms = left })
end

--- Why nothing of it is executed although nothing is known that holds it back.
local function unbegun(run)
  return reason("pending", run.status == "running" and "it is ready, and its turn has not come"
    or ("it has not begun; the run is %s"):format(run.status))
end

--- What holds back a task that is not executed.
local function idle(host, held, row, place, states, now)
  local before = row.attempts == 0 and order.pending(place, states) or {}
  if #before > 0 then return before end
  return { delay(host, held, row, now) or unbegun(held.run) }
end

--- Adds what was decided of its turn so far, and what holds it back.
---@param host table
---@param held table of M.of_run
---@param row table of a task
---@param place table of why_order.place
---@param states table<string, table> rows by key
---@param list table[]
---@return boolean held
function M.add(host, held, row, place, states, list)
  local run, now = held.run, time.now_ms()
  local open = not held.over and not null.present(row.completed_at)
  local still = open and row.task_status ~= "executing"
  local waits = order.add_waits(host, row, list, still and held.lives and now or nil)
  local person = open and held.asked[row.key]
  local own = person and { asked(held, person) } or still and not waits and idle(host, held, row, place, states, now)
  if not open and row.task_status == "pending" then own = { unbegun(run) } end
  if own then table.move(own, 1, #own, #list + 1, list) end
  if open and run.status == "running" and not held.lives then
    list[#list + 1] = reason("ended", ("the process of run #%d has ended: symphony resume %d"):format(run.number,
      run.number))
  end
  return waits or own ~= false
end

return M
