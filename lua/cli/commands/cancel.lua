--- cancel: ends a run; of an ended one it changes nothing.
local args = require "cli.args"
local control = require "cli.control"
local document = require "cli.output.document"
local exit = require "cli.exit"
local problem = require "kit.problem"
local select = require "cli.select"

local LIVING = { sql = "p.status IN ('running', 'pending', 'paused', 'waiting')", what = "to cancel" }
local ENDED = { completed = true, failed = true, cancelled = true }

--- Cancels a run: a living owner is asked, a run without one is taken over.
local function ask(host, row)
  local owner = row.owner_host
  if not select.null(owner) and owner ~= host:id() and host:alive(owner) then
    return control.ask(host, row, "cancel")
  end
  local ok, failure, code = host:resume { run = row.id, cancel = true }
  if not ok then return nil, problem.from(failure, code) end
  return true
end

return {
  name = "cancel",
  summary = "end a run",
  usage = "cancel [RUN]",
  options = {},
  example = "symphony cancel 7",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, "cancel [RUN]")
    if not ok then return nil, why end
    local host, closed = ctx:host { create = false }
    if not host then return nil, closed end
    local row, none = select.run(host, words[1], LIVING)
    if not row then return nil, none end
    local was = row.status
    if not ENDED[was] then
      local done, failed = ask(host, row)
      if not done then return nil, failed end
      row = control.settle(host, row, ENDED)
    end
    if ctx.json then
      ctx:document(document.run(host, row))
    elseif ENDED[was] then
      ctx:say(("run #%d had ended before: %s"):format(row.number, was))
    else
      ctx:say(("run #%d: %s"):format(row.number, row.status))
    end
    return exit.DONE
  end,
}
