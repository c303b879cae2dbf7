--- why: why a task ran, was cached, was skipped, or waited.
local args = require "cli.args"
local board = require "cli.output.board"
local exit = require "cli.exit"
local follow = require "cli.follow"
local null = require "kit.null"
local run_why = require "cli.run_why"
local select = require "cli.select"
local text = require "cli.output.text"

local present = null.present

local USAGE = "why RUN TASK"

--- "input.pattern changed since run #6: "a" → "b"".
local function line_of(one)
  local line = one.text
  if present(one.run) and one.kind ~= "cached" then
    line = ("%s %s run #%d"):format(line, one.kind == "not_kept" and "in" or "since", one.run)
  end
  if present(one.was) and present(one.is) then line = ("%s: %s → %s"):format(line, one.was, one.is) end
  return line
end

return {
  name = "why",
  summary = "why a task ran, was cached, was skipped, or waited",
  usage = USAGE,
  options = {},
  example = "symphony why last 'checks/*'",
  run = function(ctx, words)
    local ok, why = args.count(words, 2, 2, USAGE)
    if not ok then return nil, why end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local row, none = select.run(host, words[1])
    if not row then return nil, none end
    local doc, unknown = run_why.document(host, row, words[2])
    local gone = select.gone(host, row)
    if gone then return nil, gone end
    if not doc then return nil, unknown end
    if ctx.json then
      ctx:document(doc)
      return exit.DONE
    end
    for _, task in ipairs(doc.tasks) do
      ctx:print(("%s  %s  %s"):format(ctx.style:paint("bold", task.key), task.operation, task.verdict))
      for _, one in ipairs(task.reasons) do
        local clean = text.clean(line_of(one))
        ctx:print("  " .. (ctx.style.utf8 and clean or board.ascii(clean)))
      end
    end
    return exit.DONE
  end,
}
