--- Opens the host of a project, for every face of it: the command line, the C API.
local inbox = require "kit.inbox"
local kit_state = require "kit.state"
local limits = require "kit.limits"
local lifecycle = require "kit.lifecycle"
local packages = require "kit.package.rows"
local person = require "kit.person"
local problem = require "kit.problem"
local project = require "kit.project"

local M = {}

--- The budgets that all processes of a project share, as the engine counts them.
local function budgets(settings)
  local function micro(key) return math.floor(settings:get(key) * 1000000 + 0.5) end
  return {
    project_usd = micro "budget.project.usd",
    project_tokens = settings:get "budget.project.tokens",
    day_usd = micro "budget.day.usd",
    day_tokens = settings:get "budget.day.tokens",
    on_breach = settings:get "budget.on_breach",
  }
end

--- Opens the host, and tells the database who opened it, with which settings and extensions.
---@param place Place
---@param settings Config
---@param options? { create: boolean? } create false: `not_found` where there is no .symphony yet
---@return table? host; what the inbox had to say is in place.inbox, runs it has answers for in place.answered
---@return Problem?
function M.open(place, settings, options)
  local ok, why = project.prepare(place, not options or options.create ~= false)
  if not ok then return nil, why end
  ok, why = person.prepare()
  if not ok then return nil, why end
  local host, failure, code = require("sy.core").open {
    project = place.dir,
    user_dir = person.data_dir(),
    stage_threads = settings:get "host.stage_threads",
    trusted = place.trusted,
    audit = settings:get "kit.audit" == "all",
    queue_events = settings:get "events.queue",
    budget = budgets(settings),
    limits = limits.read(settings),
  }
  if not host then return nil, problem.from(failure, code) end
  place.exists = true
  local told, bad = person.record(host, place, settings)
  if told then told, bad = lifecycle.settle(host) end
  if told then told, bad = packages.settle(host) end
  if told then told, bad = kit_state.refresh(host, place, settings) end
  if not told then
    host:close()
    return nil, bad
  end
  place.inbox, place.answered = inbox.settle(host, place)
  return host
end

return M
