--- runs: what has run in this project, the latest first.
local args = require "cli.args"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local json = require "sy.json"
local problem = require "kit.problem"
local text = require "cli.output.text"

local DEFAULT_LIMIT = 50
local ASKED_WIDTH = 30
local LEAST_ASKED = 12
local LEAST_NAME = 8

local function rows_of(host, limit)
  return host:query([[
SELECT p.*, m.name AS melody_name FROM pipeline_orchestration p LEFT JOIN melody m ON m.id = p.melody_id
WHERE p.id NOT IN (SELECT pipeline_orchestration_id FROM run_span WHERE removing_at IS NOT NULL)
ORDER BY p.number DESC LIMIT ?1]], { limit })
end

local STATES = { completed = "ok", failed = "fail", cancelled = "skip", waiting = "wait", paused = "wait",
  running = "run", pending = "pending" }

--- What a narrow terminal has no room for is left out, the last line first.
local SHOWN = { { started = true, took = true }, { took = true }, {} }

local function row_of(ctx, run, shown)
  local row = {
    ctx.style:sign(STATES[run.status]) .. " " .. run.number,
    run.melody,
    run.interrupted and "interrupted" or run.status,
  }
  if shown.started then
    row[#row + 1] = run.started_at ~= json.null and run.started_at:gsub("T", " "):sub(1, 19) or ""
  end
  if shown.took then row[#row + 1] = text.duration(run.cost.ms) end
  return row
end

--- The rows with as many columns as fit, names cut if even that is too much.
local function fitting(ctx, list)
  local rows, options
  for _, shown in ipairs(SHOWN) do
    rows = {}
    for i, run in ipairs(list) do rows[i] = row_of(ctx, run, shown) end
    options = { right = { [#rows[1]] = shown.took } }
    if text.widest(text.table(rows, options)) <= ctx.style.columns then return rows, options end
  end
  local over = text.widest(text.table(rows, options)) - ctx.style.columns
  local names = {}
  for i, row in ipairs(rows) do names[i] = row[2] end
  local room = math.max(LEAST_NAME, text.widest(names) - over)
  for _, row in ipairs(rows) do row[2] = text.cut(row[2], room, ctx.style:letter "ellipsis") end
  return rows, options
end

--- What each run waits for, where the other columns leave room for a word.
local function add_asked(ctx, list, rows, options)
  local room = math.min(ASKED_WIDTH, ctx.style.columns - text.widest(text.table(rows, options)) - 2)
  if room < LEAST_ASKED then return end
  for i, run in ipairs(list) do
    local said = run.waits_for ~= json.null and text.clean(run.waits_for) or ""
    rows[i][#rows[i] + 1] = text.cut(said, room, ctx.style:letter "ellipsis")
  end
end

local function table_of(ctx, list)
  local rows, options = fitting(ctx, list)
  add_asked(ctx, list, rows, options)
  return text.table(rows, options)
end

return {
  name = "runs",
  summary = "what has run here, the latest first",
  usage = "runs [--limit N]",
  options = { { name = "limit", argument = "N", default = tostring(DEFAULT_LIMIT), doc = "at most so many" } },
  example = "symphony runs --limit 5",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "runs [--limit N]")
    if not ok then return nil, why end
    local limit = math.tointeger(tonumber(words.options.limit) or 0.5)
    if not limit or limit < 1 then return problem.fail("usage", "--limit is a whole number from 1") end
    local list = json.array {}
    if ctx:place().exists then
      local host, closed = follow.open(ctx)
      if not host then return nil, closed end
      for i, row in ipairs(rows_of(host, limit)) do list[i] = document.run_line(host, row) end
    end
    if ctx.json then
      ctx:document { runs = list }
    elseif #list == 0 then
      ctx:say("nothing has run here yet   symphony run hello")
    else
      for _, line in ipairs(table_of(ctx, list)) do ctx:print(line) end
    end
    return exit.DONE
  end,
}
