--- resume: goes on with a run that was interrupted, parked, or waits after a crash.
local args = require "cli.args"
local budgets = require "cli.budgets"
local decisions = require "kit.decisions"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local inbox = require "kit.inbox"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local runner = require "kit.runner"
local select = require "cli.select"

local USAGE = "resume [RUN] [--retry TASK | --skip TASK | --result TASK=JSON] [--budget AMOUNT]... "
  .. "[--on-breach WHAT] [--accept-code]"

local RESUMABLE = {
  sql = "p.status IN ('running', 'pending', 'paused', 'waiting')",
  what = "to resume: none was interrupted",
}

local ENDED = { completed = true, failed = true, cancelled = true }

local function choice(options)
  local given = {}
  for _, name in ipairs { "retry", "skip", "result" } do
    if options[name] then given[#given + 1] = "--" .. name end
  end
  if #given > 1 then return problem.fail("usage", table.concat(given, " and ") .. " exclude each other") end
  local chosen = { retry = options.retry, skip = options.skip, accept_code = options["accept-code"] }
  if options.result then
    local task, text = options.result:match("^([^=]+)=(.*)$")
    local value, failure = nil, "it is TASK=JSON"
    if task then value, failure = json.decode(text) end
    if value == nil then
      return problem.fail("usage", "--result: " .. tostring(failure), { hint = "--result upload='{\"ok\":true}'" })
    end
    chosen.result = { task = task, value = value }
  end
  local budget, unread = budgets.collect(options)
  if unread then return nil, unread end
  chosen.budget = budget
  return chosen
end

--- Whether a run ended because a budget did: with a larger one it goes on.
local function spent(row)
  local why = document.error(row.error)
  return row.status == "failed" and type(why) == "table" and why.code == "budget_exceeded"
end

--- What was decided about a task of a run that lives in another process.
local function tell(ctx, host, row, chosen)
  local what = chosen.retry and "retry" or chosen.skip and "skip" or "answer"
  local task = chosen.retry or chosen.skip or chosen.result.task
  local told, why = decisions.decide(host, row, what, task, chosen.result and chosen.result.value)
  if not told then return nil, why or problem.new("usage", ("run #%d has parked meanwhile"):format(row.number)) end
  if ctx.json then
    ctx:document(document.run(host, (select.run(host, row.id))))
  else
    ctx:say(("run #%d goes on with `%s`"):format(row.number, task))
  end
  return exit.DONE
end

--- The first answer that the run's inbox has; the others are given while it runs.
local function from_inbox(ctx, host, row)
  local answers, said = inbox.answers(host, ctx:place(), row.id)
  for _, line in ipairs(said) do ctx:note(line) end
  local first = answers[1]
  if not first then return nil end
  ctx:note(("`%s` is answered by %s"):format(first.task, paths.relative(first.file.path, ctx:place().dir)))
  return { task = first.task, value = first.value }, first.file
end

return {
  name = "resume",
  summary = "go on with an interrupted run",
  usage = USAGE,
  options = {
    { name = "retry", argument = "TASK", doc = "run this task again, also when it may have taken effect" },
    { name = "skip", argument = "TASK", doc = "go on as if this task had been skipped" },
    { name = "result", argument = "TASK=JSON", doc = "go on with this as the task's output" },
    budgets.options[1],
    budgets.options[2],
    { name = "accept-code", doc = "go on although an extension's code has changed since" },
  },
  example = "symphony resume 7 --retry upload",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, USAGE)
    if not ok then return nil, why end
    local chosen, bad = choice(words.options)
    if not chosen then return nil, bad end
    local host, closed = ctx:host { create = false, resumes = true }
    if not host then return nil, closed end
    local row, none = select.run(host, words[1], RESUMABLE)
    ctx:answered(row and row.number)
    if not row then return nil, none end
    local status, alive = document.status(host, row)
    local changes = chosen.retry or chosen.skip or chosen.result or chosen.budget and spent(row)
    if chosen.budget then
      chosen.budget = budgets.merge((json.decode(row.options) or {}).budget, chosen.budget)
    end
    if ENDED[status] and not (chosen.budget and spent(row)) then
      ctx:note(("run #%d had ended before: %s"):format(row.number, status))
      if chosen.retry then
        ctx:note(("symphony fork %d --from %s   does it again"):format(row.number, chosen.retry))
      end
      return follow.conclude(ctx, host, row)
    end
    if alive and row.owner_host ~= host:id() and changes then return tell(ctx, host, row, chosen) end
    if alive and row.owner_host ~= host:id() then
      return problem.fail("run_owned", ("run #%d is being run by another process"):format(row.number),
        { hint = ("symphony show %d   shows how far it is; symphony cancel %d   ends it"):format(row.number,
          row.number) })
    end
    local file
    if not changes then chosen.result, file = from_inbox(ctx, host, row) end
    local going, failure = runner.resume(host, ctx:place(), row, chosen)
    if not going then return nil, failure end
    if file then inbox.consume(file) end
    local params = json.decode(row.params)
    return follow.run(ctx, host, { run = row.id, number = row.number },
      { name = document.name(row), params = params, before = ENDED[status] and row.completed_at or nil })
  end,
}
