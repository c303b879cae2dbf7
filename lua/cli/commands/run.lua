--- run: a melody, from its file or name to its results.
local args = require "cli.args"
local budgets = require "cli.budgets"
local exit = require "cli.exit"
local follow = require "cli.follow"
local json = require "sy.json"
local params = require "cli.params"
local plan = require "melody.plan"
local problem = require "kit.problem"
local project = require "kit.project"
local runner = require "kit.runner"
local select = require "cli.select"
local text = require "cli.output.text"

local USAGE = "run MELODY [-p key=value]... [--params FILE] [--budget AMOUNT]... [--on-breach WHAT] "
  .. "[--durability full|process|none] [--dry-run] [--detach] [--no-cache] [--parallel N] "
  .. "[--weight N] [--dedupe ID] [--mode manual]"

--- Shows what is wrong with a melody; the exit code when nothing may run.
local function refused(ctx, problems)
  if ctx.json then ctx:complain(problems[1]) else ctx:complain_all(problems) end
  local code = exit.of(problems[1].code)
  return code ~= exit.FAILED and code or exit.USAGE
end

local function only_errors(problems)
  local list = {}
  for _, one in ipairs(problems) do
    if one.severity ~= "warning" then list[#list + 1] = one end
  end
  return list
end

--- "host.loop file.read": the verb, where it is not a plain task, and what it calls.
local function described(task)
  if task.verb == "task" then return task.operation end
  if task.verb == "each" or task.verb == "loop" then return ("host.%s %s"):format(task.verb, task.operation) end
  return task.melody and ("%s %s"):format(task.operation, task.melody) or task.operation
end

local function dry_run(ctx, prepared)
  local document, message, code = plan.document(prepared.definition, prepared.ops)
  if not document then return nil, problem.new(code, message) end
  if ctx.json then
    ctx:document(document)
    return exit.DONE
  end
  local rows = {}
  for i, task in ipairs(document.tasks) do
    rows[i] = { task.key, described(task), #task.after > 0 and "after " .. table.concat(task.after, ", ") or "" }
  end
  ctx:print(("%s  would run, in this order"):format(document.melody))
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:print(line) end
  ctx:print(#document.may_touch > 0 and "It may" or "It touches nothing outside itself")
  for _, what in ipairs(document.may_touch) do ctx:print("  " .. what) end
  return exit.DONE
end

--- In the parent: what the child reported.
local function told(ctx, report, name)
  local value = json.decode(report)
  if type(value) ~= "table" then
    return nil, problem.new("internal", "the background process ended before it had started the run")
  end
  if value.error then
    local err = value.error
    local where = type(err.where) == "table" and err.where or {}
    local function plain(item) return item ~= json.null and item or nil end
    return nil, problem.new(err.code, err.message,
      { file = plain(where.file), line = plain(where.line), task = plain(where.task), hint = plain(err.hint) })
  end
  if ctx.json then
    ctx:document(value)
  else
    ctx:say(("%s  run #%d goes on in the background   symphony show %d"):format(name, value.number,
      value.number))
  end
  return exit.DONE
end

--- Whether the first task says what the run looks at: `scope` is one of its declared outputs.
local function says_scope(prepared)
  local first = prepared.definition.tasks[1]
  local operation = first and first.operation and prepared.ops(first.operation)
  local output = operation and operation.output
  return type(output) == "table" and type(output.properties) == "table" and output.properties.scope ~= nil
end

local function start(ctx, prepared, options)
  local host, why = ctx:host()
  if not host then return nil, nil, why end
  local run, bad = runner.start(host, prepared, options)
  return host, run, bad
end

--- The run that a dedupe id stands for, as it is now.
local function existing(ctx, host, run, id)
  ctx:note(("run #%d has the dedupe id %s; nothing was started"):format(run.number, text.clean(id)))
  local row, why = select.run(host, run.run)
  if not row then return nil, why end
  return follow.conclude(ctx, host, row)
end

--- In the child: starts, reports, goes on until the run has ended.
local function in_background(ctx, prepared, options, report)
  local host, run, why = start(ctx, prepared, options)
  if not run then
    report(json.encode { error = { code = why.code, message = why.message, where = why.where, hint = why.hint } })
    return exit.of(why.code)
  end
  report(json.encode { run = run.run, number = run.number, status = run.status })
  if run.existing then return exit.DONE end
  ctx.json, ctx.quiet = false, true
  return follow.run(ctx, host, run, { name = prepared.definition.name })
end

local function run(ctx, words)
  local ok, why = args.count(words, 1, 1, USAGE)
  if not ok then return nil, why end
  local place = ctx:place()
  ok, why = project.check(place)
  if not ok then return nil, why end
  if place.repository then
    ctx:note(("the project is %s, because of its .symphony; for this repository alone: --project %s")
      :format(place.dir, text.clean(place.repository)))
  end
  local given, typed, bad = params.collect(words.options)
  if not given then return nil, bad end
  local prepared, missing = runner.prepare(place, words[1])
  if not prepared then return nil, missing end
  if not prepared.ok then return refused(ctx, only_errors(prepared.problems)) end
  local budget, unread = budgets.collect(words.options)
  if unread then return nil, unread end
  local bound, problems = runner.bind(prepared.definition, given, typed)
  if not bound then return refused(ctx, problems) end
  local options = {
    params = bound,
    durability = ctx:setting "run.durability",
    parallel = ctx:setting "run.parallel",
    mode = words.options.mode,
    no_cache = words.options["no-cache"],
    budget = budget,
    weight = ctx:setting "run.weight",
    dedupe = words.options.dedupe,
  }
  if words.options["dry-run"] then return dry_run(ctx, prepared) end
  if words.options.detach then
    local role, report = require("sy.detach").detach()
    if role == "parent" then return told(ctx, report, prepared.definition.name) end
    if role == "child" then return in_background(ctx, prepared, options, report) end
    return nil, problem.new("io_error", report)
  end
  local host, started, failure = start(ctx, prepared, options)
  if not started then return nil, failure end
  if started.existing then return existing(ctx, host, started, words.options.dedupe) end
  follow.mention_interrupted(ctx, host)
  return follow.run(ctx, host, started,
    { name = prepared.definition.name, params = bound, scoped = says_scope(prepared) })
end

return {
  name = "run",
  summary = "run a melody",
  usage = USAGE,
  options = {
    { name = "param", short = "p", argument = "KEY=VALUE", repeated = true,
      doc = "a parameter, read by the type the melody declares" },
    { name = "params", argument = "FILE", doc = "parameters as a JSON object; -p wins over it" },
    budgets.options[1],
    budgets.options[2],
    { name = "durability", argument = "LEVEL", choices = { "full", "process", "none" },
      doc = "what a crash may lose: full, process or none" },
    { name = "dry-run", doc = "check, show the order and what it may touch, run nothing" },
    { name = "detach", doc = "return once the run is committed; it goes on in the background" },
    { name = "no-cache", doc = "run everything anew; results are neither used again nor kept" },
    { name = "parallel", argument = "N", doc = "tasks at the same time" },
    { name = "weight", argument = "N", doc = "its part where runs compete: 2 gets twice the turns of 1" },
    { name = "dedupe", argument = "ID", doc = "start nothing when a run of this id is there and has not failed" },
    { name = "mode", argument = "MODE", choices = { "manual" }, default = "manual", doc = "who decides: manual" },
  },
  example = "symphony run review -p base=main",
  run = run,
}
