--- Runs one case: the melody with a tape instead of its operations, on a clock that skips what would be waited for.
local decisions = require "kit.decisions"
local document = require "cli.output.document"
local json = require "sy.json"
local lifecycle = require "kit.lifecycle"
local problem = require "kit.problem"
local questions = require "kit.questions"
local runner = require "kit.runner"
local select = require "cli.select"
local time = require "sy.time"

local M = {}

local STEP_MS = 20
local LIMIT_MS = 60000
local ENDED = { completed = true, failed = true, cancelled = true, paused = true }

--- Opens a host in an empty folder: nothing of the project is written, nothing of it is called.
---@param place Place
---@param dir string
---@return table? host, Problem?
function M.open(place, dir)
  local host, failure, code = require("sy.core").open { project = dir, stage_threads = 1, trusted = place.trusted,
                                                        skips = true }
  if not host then return nil, problem.from(failure, code) end
  local ok
  ok, failure, code = host:identity { user_dir = dir .. "/person", name = "test", email = "", preferences = "{}",
                                      project = "test", configuration = "{}" }
  if ok then ok, failure = lifecycle.settle(host) end
  if ok then return host end
  host:close()
  return nil, problem.from(failure, code)
end

--- Recorded entries for tasks that no stub of the case is for.
local function entries(case, recorded)
  local list, patterns = json.array {}, {}
  for i, one in ipairs(case.stubs) do list[i], patterns[i] = one, select.pattern(one.task) end
  for _, one in ipairs(recorded or {}) do
    local stubbed = false
    for _, pattern in ipairs(patterns) do stubbed = stubbed or one.task:match(pattern) ~= nil end
    if not stubbed then list[#list + 1] = one end
  end
  return list
end

--- Answers what the case has answers for; whether something was done.
local function answer(play, row)
  for _, question in ipairs(questions.list(play.host, row.id)) do
    local value = play.case.answers[question.task]
    if question.why == "answer" and value ~= nil and not play.answered[question.task] then
      play.answered[question.task] = true
      local checked, why = questions.check(question, value)
      if checked == nil then return nil, why end
      local told, bad = decisions.answer(play.host, play.place, row, question.task, checked)
      if not told then return nil, bad end
      return true
    end
  end
  return false
end

--- A parked run with nobody to answer goes on when the time of its questions is up.
local function wait_out(play, row)
  if play.recording or play.waited then return false end
  play.waited = true
  local longest = 0
  for _, task in ipairs(play.definition.tasks) do
    if task.verb == "ask" then longest = math.max(longest, task.options and task.options.timeout_ms or 0) end
  end
  if longest == 0 then return false end
  play.host:advance(longest)
  return runner.resume(play.host, play.place, row, {})
end

local function finish(play, run)
  local deadline = time.monotonic() + LIMIT_MS
  while true do
    local state = play.host:run_state(run.run)
    if not state or ENDED[state.status] then return true end
    local row = select.run(play.host, run.run)
    local went_on, why = answer(play, row)
    if went_on == nil then return nil, why end
    if state.status == "waiting" and not went_on and not wait_out(play, row) then return true end
    if time.monotonic() > deadline then
      play.host:cancel(run.run)
      return problem.fail("timeout", "the run did not end within a minute")
    end
    play.host:step(STEP_MS)
  end
end

local ENDS = { ["task.completed"] = true, ["task.skipped"] = true, task_completed = true, error_occurred = true }

--- When tasks began and ended: the seq of their events.
local function moments(host, run)
  local list = {}
  for _, row in ipairs(host:query([[
SELECT e.seq, e.event_type, t.key FROM event e JOIN task t ON t.id = e.task_id
WHERE t.pipeline_orchestration_id = ?1 AND t.key <> '' ORDER BY e.seq]], { run })) do
    local one = list[row.key] or {}
    list[row.key] = one
    if row.event_type == "task_started" then one.began = one.began or row.seq end
    if ENDS[row.event_type] then one.ended = row.seq end
  end
  return list
end

local function value_of(host, text, hash)
  if type(text) == "string" then
    local value = json.decode(text)
    hash = type(value) == "table" and value["$artifact"]
    if type(hash) ~= "string" or value.size == nil then return value end
  end
  local bytes = type(hash) == "string" and host:artifact_get(hash)
  return bytes and json.decode(bytes) or nil
end

--- What ran, as data: the run document with inputs, outputs and order.
local function describe(host, row)
  local doc, when = document.run(host, row), moments(host, row.id)
  local tasks = {}
  for _, task in ipairs(doc.tasks) do tasks[task.key] = task end
  for _, task in ipairs(document.task_rows(host, row)) do
    local one = tasks[task.key]
    one.input = value_of(host, task.task_payload)
    one.output = value_of(host, task.output, task.output_hash)
    one.began = when[task.key] and when[task.key].began
    one.ended = when[task.key] and when[task.key].ended
  end
  return { status = doc.status, outputs = document.outputs(host, row), tasks = tasks, cost = doc.cost,
           error = doc.error, waiting = doc.waiting }
end

---@class Play
---@field host table
---@field place Place
---@field recording boolean

--- Runs a case; what ran, and with `recording` what was called.
---@param options Play
---@param prepared Prepared
---@param case table
---@param recorded? table[] entries
---@return table? run
---@return Problem?
---@return table[]? calls
function M.run(options, prepared, case, recorded)
  local play = { host = options.host, place = options.place, recording = options.recording, case = case, answered = {},
                 definition = prepared.definition }
  local bound, problems = runner.bind(prepared.definition, case.params, {})
  if not bound then return nil, problems[1] end
  local ok, failure, code = play.host:tape { entries = entries(case, not play.recording and recorded or nil),
                                             strict = not play.recording, record = play.recording }
  if not ok then return nil, problem.from(failure, code) end
  local run, why = runner.start(play.host, prepared, { params = bound, durability = "process", mode = "manual" })
  if not run then return nil, why end
  local done, bad = finish(play, run)
  if not done then return nil, bad end
  local calls = play.recording and play.host:recorded() or nil
  return describe(play.host, (select.run(play.host, run.run))), nil, calls
end

return M
