--- trace: when each task of a run waited and ran, and what the run's time depended on.
local args = require "cli.args"
local chrome_trace = require "cli.output.chrome_trace"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local gantt = require "cli.output.gantt"
local run_trace = require "cli.run_trace"
local select = require "cli.select"
local text = require "cli.output.text"

local USAGE = "trace [RUN] [--format gantt|chrome]"

local function chrome(host, model)
  local critical = {}
  for _, span in ipairs(model.path) do critical[span.key] = true end
  local title = ("%s run #%d"):format(document.name(model.run), model.run.number)
  chrome_trace.write(title, function(fn) run_trace.each(host, model, fn) end, critical,
    function(piece) io.stdout:write(piece) end)
end

local function draw(ctx, host, model)
  local line = document.run_line(host, model.run)
  local dot = ctx.style:letter "dot"
  ctx:print(("%s  run #%d %s %s %s %s"):format(ctx.style:paint("bold", line.melody), line.number, dot,
    line.interrupted and "interrupted" or line.status, dot, text.duration(model.finish)))
  for _, one in ipairs(gantt.lines(model, ctx.style)) do ctx:print(one) end
end

return {
  name = "trace",
  summary = "when a run's tasks waited and ran",
  usage = USAGE,
  options = {
    { name = "format", argument = "FORMAT", choices = { "gantt", "chrome" }, default = "gantt",
      doc = "gantt: bars; chrome: a file for Perfetto or chrome://tracing" },
  },
  example = "symphony trace last --format chrome > trace.json",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, USAGE)
    if not ok then return nil, why end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local run, none = select.run(host, words[1])
    if not run then return nil, none end
    local model = run_trace.model(host, run)
    local gone = select.gone(host, run)
    if gone then return nil, gone end
    if words.options.format == "chrome" then
      ctx.documented = true
      chrome(host, model)
    elseif ctx.json then
      ctx:document(run_trace.document(host, model))
    else
      draw(ctx, host, model)
    end
    return exit.DONE
  end,
}
