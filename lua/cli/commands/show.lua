--- show: one run, its tasks and what it gave.
local args = require "cli.args"
local board = require "cli.output.board"
local budget = require "cli.output.budget"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local json = require "sy.json"
local next_steps = require "cli.next_steps"
local questions = require "kit.questions"
local results = require "cli.output.results"
local select = require "cli.select"
local text = require "cli.output.text"

local function head(ctx, doc)
  local state = doc.interrupted and "interrupted" or doc.status
  ctx:print(("%s  run #%d %s %s"):format(ctx.style:paint("bold", doc.melody), doc.number, ctx.style:letter "dot",
    state))
  local rows = { { "id", doc.run }, { "durability", doc.durability } }
  if doc.started_at ~= json.null then rows[#rows + 1] = { "started", doc.started_at } end
  if doc.completed_at ~= json.null then rows[#rows + 1] = { "ended", doc.completed_at } end
  rows[#rows + 1] = { "cost", ("%s, %d tokens, %.4f usd"):format(text.duration(doc.cost.ms), doc.cost.tokens,
    doc.cost.usd) }
  if doc.budget ~= json.null then rows[#rows + 1] = { "budget", budget.line(doc.budget) } end
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:print(line) end
end

local function tasks(ctx, host, row)
  local lines = board.new(host, row.id, ctx.style)
  lines:refresh()
  lines:fit()
  for _, line in ipairs(lines.lines) do ctx:print(lines:render(line)) end
end

local function artifacts(ctx, doc)
  local rows = {}
  for i, item in ipairs(doc.artifacts) do
    rows[i] = { item.task, item.type, text.size(item.size), "symphony artifact cat " .. item.hash:sub(8, 19) }
  end
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:print(line) end
end

--- What it waits for, with the command that goes on.
local function waiting(ctx, host, row)
  for _, one in ipairs(questions.list(host, row.id)) do
    ctx:print(("`%s` waits: %s"):format(one.task, text.clean(questions.text(one))))
    ctx:print("  " .. questions.command(row.number, one))
  end
end

return {
  name = "show",
  summary = "a run, its tasks and what it gave",
  usage = "show [RUN]",
  options = {},
  example = "symphony show last:review --json",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, "show [RUN]")
    if not ok then return nil, why end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local row, none = select.run(host, words[1])
    if not row then return nil, none end
    local doc = document.run(host, row)
    local gone = select.gone(host, row)
    if gone then return nil, gone end
    if ctx.json then
      ctx:document(doc)
      return exit.DONE
    end
    head(ctx, doc)
    tasks(ctx, host, row)
    artifacts(ctx, doc)
    if #doc.waiting > 0 then waiting(ctx, host, row) end
    for _, line in ipairs(results.lines(doc.outputs, ctx.style)) do ctx:print(line) end
    local failure = doc.status == "failed" and follow.failure(doc)
    if failure then ctx:print(ctx:render(failure)) end
    if doc.status == "failed" then ctx:print(next_steps.lines(host, doc)[1]) end
    return exit.DONE
  end,
}
