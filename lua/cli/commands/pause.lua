--- pause: a run stops starting tasks and parks; `resume` goes on with it.
local args = require "cli.args"
local control = require "cli.control"
local document = require "cli.output.document"
local exit = require "cli.exit"
local select = require "cli.select"

local LIVING = { sql = "p.status IN ('running', 'pending')", what = "to pause" }

local STANDING = { completed = true, failed = true, cancelled = true, paused = true, waiting = true }

--- Asks the owner of a run, and waits until it has parked or ended.
local function pause(host, row)
  local asked, failed = control.ask(host, row, "pause")
  if not asked then return nil, failed end
  return control.settle(host, row, STANDING)
end

return {
  name = "pause",
  summary = "park a run; resume goes on with it",
  usage = "pause [RUN]",
  options = {},
  example = "symphony pause 7",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, "pause [RUN]")
    if not ok then return nil, why end
    local host, closed = ctx:host { create = false }
    if not host then return nil, closed end
    local row, none = select.run(host, words[1], LIVING)
    if not row then return nil, none end
    local was, alive = document.status(host, row)
    if alive then
      local parked, failed = pause(host, row)
      if not parked then return nil, failed end
      row = parked
    end
    local status = document.status(host, row)
    if ctx.json then
      ctx:document(document.run(host, row))
    elseif was == "completed" or was == "failed" or was == "cancelled" then
      ctx:say(("run #%d had ended before: %s"):format(row.number, was))
    elseif status == "running" then
      ctx:say(("run #%d parks when what runs now has ended"):format(row.number))
    else
      ctx:say(("run #%d: %s   symphony resume %d"):format(row.number, status, row.number))
    end
    return exit.DONE
  end,
}
