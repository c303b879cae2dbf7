--- fork: a new run that takes over what another had done, and does one task, and what depends on it, again.
local args = require "cli.args"
local document = require "cli.output.document"
local follow = require "cli.follow"
local fork = require "kit.fork"
local fork_plan = require "kit.fork_plan"
local json = require "sy.json"
local params_of = require "cli.params"
local pinned = require "kit.pinned"
local problem = require "kit.problem"
local registry = require "kit.registry"
local runner = require "kit.runner"
local select = require "cli.select"
local term = require "sy.term"
local text = require "cli.output.text"

local USAGE = "fork RUN --from TASK [-p key=value]... [--only] [--yes]"

--- The parameters of the fork, and which of them are not what they were.
local function parameters(definition, run, options)
  local given, typed, bad = params_of.collect(options)
  if not given then return nil, bad end
  local before = json.decode(run.params)
  for name, value in pairs(before) do
    if given[name] == nil then given[name] = value end
  end
  for name in pairs(typed) do typed[name] = true end
  for name, param in pairs(definition.params or {}) do
    if given[name] == json.null and not param.required then given[name] = nil end
  end
  local bound, problems = runner.bind(definition, given, typed)
  if not bound then return nil, problems[1] end
  local changed = {}
  for name, value in pairs(bound) do
    if json.encode(value) ~= json.encode(before[name]) then changed[name] = true end
  end
  return bound, changed
end

local ROW = "SELECT outcome FROM task WHERE pipeline_orchestration_id = ?1 AND key = ?2"

local function rows_of(host, run)
  local known = {}
  return function(key)
    if known[key] == nil then known[key] = host:query(ROW, { run.id, key })[1] or false end
    return known[key] or nil
  end
end

-- ---- what it may touch ----

local EFFECTS = { write = "writes", external = "acts outside this machine" }

local function each_operation(task, fn)
  if task.operation then fn(task.operation) end
  for _, target in ipairs(task.operations or {}) do fn(target.operation) end
  for _, target in ipairs(task.options and task.options.fallback or {}) do fn(target.operation) end
end

--- Lines for what runs again and has effects: "sent  process.run acts outside this machine".
local function effects(plan, ops)
  local rows = {}
  for _, one in ipairs(plan.again) do
    local seen = {}
    for _, task in ipairs(one.tasks) do
      each_operation(task, function(name)
        local operation = ops(name)
        local words = operation and EFFECTS[operation.effects]
        if words and not seen[name] then
          seen[name] = true
          rows[#rows + 1] = { one.key, name, words }
        end
      end)
    end
  end
  return rows
end

--- Says what has effects; on a terminal asks. False: no.
local function consent(ctx, plan, ops, yes)
  local rows = effects(plan, ops)
  if #rows == 0 then return true end
  ctx:note("these run again and may change something:")
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:note(line) end
  if yes or ctx.json or not (ctx.terminal.stdin and ctx.terminal.stderr) then return true end
  term.write(2, "go on? [y/N] ")
  local answer = term.read_line(0)
  return answer ~= nil and answer:lower():match "^%s*y" ~= nil
end

-- ---- the way ----

local CODE = "SELECT name, extension_version_id AS version FROM extension WHERE name = ?1"

--- The run's options, pinned to the code that is here now.
local function options_of(host, run, definition)
  local options = json.decode(run.options)
  options.dedupe, options.imported, options.code = nil, nil, {}
  options.cache = false -- again means again: not from the cache
  for _, name in ipairs(runner.extensions(definition)) do
    local row = name ~= "host" and host:query(CODE, { name })[1]
    if row then options.code[name] = row.version end
  end
  return options
end

local function select_run(ctx, word)
  local host, closed = ctx:host { create = false }
  if not host then return nil, closed end
  local run, none = select.run(host, word)
  if not run then return nil, none end
  local _, alive = document.status(host, run)
  if alive then
    return problem.fail("run_owned", ("run #%d is being run"):format(run.number),
      { hint = ("symphony cancel %d   ends it; then it can be forked"):format(run.number) })
  end
  return host, run
end

local CALLS = [[
SELECT c.key FROM task c JOIN task t ON t.parent_task_id = c.parent_task_id
 WHERE t.pipeline_orchestration_id = ?1 AND t.key = ?2 AND c.position >= t.position]]

--- The keys of a flow's calls from the named one on.
local function calls_of(host, run)
  return function(key)
    local list = {}
    for i, row in ipairs(host:query(CALLS, { run.id, key })) do list[i] = row.key end
    return list
  end
end

local function go(ctx, words)
  local host, run = select_run(ctx, words[1])
  if not host then return nil, run end
  local definition, unread = pinned.definition(host, run)
  if not definition then return nil, unread end
  local params, changed = parameters(definition, run, words.options)
  if not params then return nil, changed end
  local plan, why = fork_plan.new(definition, { from = words.options.from, only = words.options.only,
    changed = changed, rows = rows_of(host, run), calls = calls_of(host, run) })
  if not plan then return nil, why end
  local ok, missing = runner.install(host, ctx:place(), run, definition)
  if not ok then return nil, missing end
  if not consent(ctx, plan, runner.operations(registry.new(ctx:place())), words.options.yes) then
    return problem.fail("usage", "not forked", { hint = "nothing was changed; --yes goes on without asking" })
  end
  local id, failure = fork.write(host, run, plan, { from = words.options.from, only = words.options.only,
    params = params, options = options_of(host, run, definition) })
  if not id then return nil, failure end
  local row = select.run(host, id)
  local going, bad = runner.resume(host, ctx:place(), row, { accept_code = true })
  if not going then return nil, bad end
  return follow.run(ctx, host, { run = id, number = row.number }, { name = document.name(row), params = params })
end

return {
  name = "fork",
  summary = "a run again from one of its tasks on",
  usage = USAGE,
  options = {
    { name = "from", argument = "TASK", doc = "the task to do again, at any depth: checks/17, sub/inner/3" },
    { name = "param", short = "p", argument = "KEY=VALUE", repeated = true,
      doc = "another value for a parameter; what looks at it runs again, too" },
    { name = "params", argument = "FILE", doc = "parameters as a JSON object; -p wins over it" },
    { name = "only", doc = "this task alone: what depends on it keeps what it had" },
    { name = "yes", doc = "do not ask before something with effects runs again" },
  },
  example = "symphony fork 7 --from checks/17",
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 1, USAGE)
    if not ok then return nil, why end
    if not words.options.from then return problem.fail("usage", "--from TASK is missing: where to begin") end
    return go(ctx, words)
  end,
}
