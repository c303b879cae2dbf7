--- diff: what differs between two runs.
local args = require "cli.args"
local diff_view = require "cli.output.diff_view"
local exit = require "cli.exit"
local follow = require "cli.follow"
local run_diff = require "cli.run_diff"
local select = require "cli.select"

local USAGE = "diff RUN RUN"

return {
  name = "diff",
  summary = "what differs between two runs",
  usage = USAGE,
  options = {},
  example = "symphony diff 7 last",
  run = function(ctx, words)
    local ok, why = args.count(words, 2, 2, USAGE)
    if not ok then return nil, why end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local a, none = select.run(host, words[1])
    if not a then return nil, none end
    local b
    b, none = select.run(host, words[2])
    if not b then return nil, none end
    local doc = run_diff.document(host, a, b)
    local gone = select.gone(host, a) or select.gone(host, b)
    if gone then return nil, gone end
    if ctx.json then
      ctx:document(doc)
    else
      for _, line in ipairs(diff_view.lines(doc, ctx.style)) do ctx:print(line) end
    end
    return exit.DONE
  end,
}
