--- What symphony.h offers beyond plain C: runs by name or path, in the trusted state of a host.
--- Every function gives its result, or nil and a problem; core/bind/api.c turns them into JSON.
local budget_of = require "melody.budget"
local config = require "kit.config"
local decisions = require "kit.decisions"
local json = require "sy.json"
local opening = require "kit.opening"
local params_of = require "melody.params"
local problem = require "kit.problem"
local project = require "kit.project"
local questions = require "kit.questions"
local runner = require "kit.runner"

local M = {}

local LEVELS = { full = true, process = true, none = true }

--- Opens the host of the project that `dir` (or the current folder) stands in.
---@param dir string?
---@return table? session {host, place, settings}
---@return Problem?
function M.open(dir)
  local place, why = project.find(dir)
  if not place then return nil, why end
  local settings, bad = config.read { place = place, flags = {} }
  if not settings then return nil, bad end
  local host, failure = opening.open(place, settings)
  if not host then return nil, failure end
  return { host = host, place = place, settings = settings }
end

local function bad_request(message)
  return nil, problem.new("usage", message)
end

--- Starts a run: {melody = NAME|PATH, params = {}, durability =, parallel =, weight =, dedupe =, budget =}; the budget
--- is a text such as "0.50usd", a list of them, or a table.
---@param session table
---@param request table
---@return table? run {run, number, status}
---@return Problem?
function M.run(session, request)
  if type(request) ~= "table" or type(request.melody) ~= "string" then
    return bad_request "a request is an object with `melody`, a name or a path"
  end
  local durability = request.durability or session.settings:get "run.durability"
  if not LEVELS[durability] then return bad_request "durability is full, process or none" end
  local budget, unread
  if request.budget ~= nil then
    budget, unread = budget_of.read(request.budget)
    if not budget then return bad_request("budget: " .. unread) end
  end
  local ok, why = project.check(session.place)
  if not ok then return nil, why end
  local prepared, missing = runner.prepare(session.place, request.melody)
  if not prepared then return nil, missing end
  if not prepared.ok then return nil, prepared.problems[1] end
  local bound, problems = params_of.bind(prepared.definition, request.params or {})
  if not bound then return nil, problems[1] end
  return runner.start(session.host, prepared, {
    params = bound,
    durability = durability,
    parallel = request.parallel or session.settings:get "run.parallel",
    weight = request.weight or session.settings:get "run.weight",
    dedupe = request.dedupe,
    mode = "manual",
    budget = budget,
  })
end

local BY_NUMBER = "SELECT id FROM pipeline_orchestration WHERE number = ?1 OR id = ?2"

--- Cancels a run of this host, by id or number.
---@param session table
---@param run string
---@return boolean?, Problem?
function M.cancel(session, run)
  local row = session.host:query(BY_NUMBER, { math.tointeger(run), run })[1]
  if not row then return nil, problem.new("not_found", ("there is no run %s"):format(run)) end
  if not session.host:run_state(row.id) then
    return nil, problem.new("not_found", ("run %s does not live in this process"):format(run))
  end
  local ok, failure, code = session.host:cancel(row.id)
  if not ok then return nil, problem.from(failure, code) end
  return true
end

local ROW = "SELECT * FROM pipeline_orchestration WHERE number = ?1 OR id = ?2"

--- Answers what a run asks: {run, task?, value}; a parked run goes on in this host.
---@param session table
---@param request { run: string, task: string?, value: any }
---@return boolean?, Problem?
function M.answer(session, request)
  local host, run = session.host, request.run
  local row = host:query(ROW, { math.tointeger(tonumber(run)) or json.null, run })[1]
  if not row then return nil, problem.new("not_found", ("there is no run %s"):format(run)) end
  local question, why = questions.choose(questions.list(host, row.id), row, request.task)
  if not question then return nil, why end
  local value, wrong = questions.check(question, request.value)
  if value == nil then return nil, wrong end
  local told, bad = decisions.answer(host, session.place, row, question.task, value)
  if not told then return nil, bad end
  decisions.settled(host, row, question.task)
  return true
end

return M
