--- Follows a run until it has ended, draws its progress, parks it on SIGINT and SIGTERM, shows what it gave.
local Board = require "cli.output.board"
local Progress = require "cli.output.progress"
local asking = require "cli.asking"
local document = require "cli.output.document"
local exit = require "cli.exit"
local extension_error = require "cli.extension_error"
local json = require "sy.json"
local next_steps = require "cli.next_steps"
local null = require "kit.null"
local problem = require "kit.problem"
local results = require "cli.output.results"
local retention = require "kit.retention"
local select = require "cli.select"
local term = require "sy.term"
local text = require "cli.output.text"
local time = require "sy.time"

local plain = null.to_nil

local M = {}

local STEP_MS = 50
local PARK_MS = 2000

local FINISHED = { completed = true, failed = true, cancelled = true, waiting = true }
local ENDED = { completed = true, failed = true, cancelled = true, waiting = true, paused = true }

--- What a run looks at: as its tasks said, else as its parameters say.
local function subject(ctx, params, scope)
  local words = {}
  if scope then
    local from, to = text.clean(scope.from or ""), text.clean(scope.to)
    if to == "working tree" and from ~= "" then
      words[1] = ("%s %s %s"):format(from, ctx.style:letter "arrow", to)
    else
      words[1] = from ~= "" and to ~= "whole tree" and ("%s (%s)"):format(to, from) or to
    end
    if scope.files then words[2] = ("%d %s"):format(scope.files, scope.files == 1 and "file" or "files") end
    return words
  end
  for _, key in ipairs(params.order) do
    local value = params.values[key]
    if type(value) == "string" and value ~= "" and #value < 40 then
      words[#words + 1] = ("%s %s"):format(key, text.clean(value))
    end
  end
  return words
end

local function title(ctx, name, run, params, scope)
  local words = subject(ctx, params, scope)
  words[#words + 1] = ("run #%d"):format(run.number)
  return ("%s  %s"):format(ctx.style:paint("bold", name), table.concat(words, " " .. ctx.style:letter "dot" .. " "))
end

local function ordered(values)
  local order = {}
  for name in pairs(values or {}) do order[#order + 1] = name end
  table.sort(order)
  return { order = order, values = values or {} }
end

local function watcher(ctx, host, run, options)
  if ctx.json or ctx.quiet then return nil end
  local _, rows = term.size(1)
  local params, board = ordered(options.params), Board.new(host, run.run, ctx.style, options.before)
  board:refresh()
  return Progress.new(board, {
    live = ctx.terminal.stdout,
    style = ctx.style,
    rows = rows,
    title = function(scope) return title(ctx, options.name, run, params, scope) end,
    held = options.scoped,
    write = function(piece)
      io.stdout:write(piece)
      io.stdout:flush()
    end,
  })
end

--- Parks the run and waits until that is committed.
local function park(host, run, watch, tell)
  local function say() tell("stopping after what runs now; once more: at once") end
  host:pause(run.run)
  if watch then watch:aside(say) else say() end
  local deadline = time.monotonic() + PARK_MS
  while time.monotonic() < deadline do
    local state = host:run_state(run.run)
    if not state or ENDED[state.status] then return end
    host:step(STEP_MS)
    if watch then watch:tick() end
  end
end

--- Steps the host until the run has ended or a signal came.
---@param host table
---@param run { run: string }
---@param watch Progress?
---@param tell fun(text: string) words for people
---@param asker? Asking who answers
---@return string? signal
---@return table? state of the run, as the engine last told it
function M.wait(host, run, watch, tell, asker)
  local asked = false
  local subscription = host:on_event("run." .. run.run .. ".>", function(event)
    asked = asked or event.event_type == "task.asked"
    if watch then watch:event(event) end
  end)
  local signal, state
  while true do
    state = host:run_state(run.run)
    local goes_on = asker and asker:look(state, asked)
    asked = false
    if not goes_on and (not state or ENDED[state.status]) then break end
    signal = term.take_signal()
    if signal then
      park(host, run, watch, tell)
      break
    end
    host:step(STEP_MS)
    if watch then watch:tick() end
  end
  host:off_event(subscription)
  if watch then watch:finish() end
  return signal, state
end

local function say_all(ctx, lines)
  for _, line in ipairs(lines) do ctx:say(line) end
end

local function as_problem(err)
  local where = err.where or {}
  return problem.new(plain(err.code) or "internal", plain(err.message) or "it failed",
    { file = plain(where.file), line = plain(where.line), task = plain(where.task), hint = plain(err.hint) })
end

--- Why a run failed: its own error, else that of its first failed task.
---@param doc table a run document
---@return Problem?
---@return string? extension whose operation failed
function M.failure(doc)
  local of = {}
  for _, task in ipairs(doc.tasks) do
    if task.status == "failed" and task.error ~= json.null then of[#of + 1] = task end
  end
  if doc.error ~= json.null then
    local why = as_problem(doc.error)
    for _, task in ipairs(of) do
      if task.key == why.where.task then return why, plain(task.extension) end
    end
    return why, #of == 1 and not why.where.task and plain(of[1].extension) or nil
  end
  if of[1] then return as_problem(of[1].error), plain(of[1].extension) end
  return nil
end

--- Why the end of a run could not be written, if so: its row does not say what became of it.
---@param state table? as M.wait gives it
---@param row table
---@return Problem?
function M.unwritten(state, row)
  if not state or state.status ~= "failed" or (row.status ~= "running" and row.status ~= "pending") then return nil end
  return as_problem(state.error or {})
end

--- Shows an ended (or parked) run. Returns its exit code.
---@param ctx Context
---@param host table
---@param row table of pipeline_orchestration
---@return integer
function M.conclude(ctx, host, row)
  local doc = document.run(host, row)
  local code = document.exit_code(doc.status, doc.interrupted)
  if ctx.json then
    ctx:document(doc)
    return code
  end
  if doc.status == "completed" then
    local raw = document.outputs(host, row)
    say_all(ctx, results.lines(raw, ctx.style))
    local written, why = results.export(host, ctx:place(), doc.number, raw)
    if not written then ctx:complain(why) end
    ctx:say(results.footer(written or {}, doc.number, ctx.style))
    return code
  end
  if doc.status == "failed" then
    local failure, extension = M.failure(doc)
    if failure then ctx:complain(extension_error.fill(ctx, failure, extension)) end
  end
  if doc.status == "cancelled" then ctx:note(("run #%d was cancelled"):format(doc.number)) end
  for _, hint in ipairs(next_steps.lines(host, doc)) do ctx:note(hint) end
  return code
end

--- Follows a run that has just been started.
---@param ctx Context
---@param host table
---@param run { run: string, number: integer }
---@param options { name: string, params: table?, scoped: boolean?, before: string? } scoped: a task says what the run
--- looks at; before: when the run had ended, if it is one that goes on
---@return integer? exit code
---@return Problem?
function M.run(ctx, host, run, options)
  term.take_signal()
  local row, why = select.run(host, run.run)
  if not row then return nil, why end
  local watch = watcher(ctx, host, run, options)
  local signal, state = M.wait(host, run, watch, function(said) ctx:note(said) end, asking.new(ctx, host, row, watch))
  row, why = select.run(host, run.run)
  if not row then return nil, why end
  local lost = M.unwritten(state, row)
  if lost then return nil, lost end
  local code = M.conclude(ctx, host, row)
  if FINISHED[row.status] then retention.auto(host, ctx:place(), ctx:settings()) end
  if signal and not FINISHED[row.status] then return exit.INTERRUPTED end
  return code
end

--- One line about runs whose owner is dead, on stderr: what to type.
---@param ctx Context
---@param host table
function M.mention_interrupted(ctx, host)
  local rows = host:query([[
SELECT id, number, owner_host FROM pipeline_orchestration WHERE status IN ('pending', 'running',
  'waiting', 'paused') AND status IN ('running', 'pending') ORDER BY number DESC LIMIT 20]], {})
  for _, row in ipairs(rows) do
    if row.owner_host == json.null or row.owner_host == nil or not host:alive(row.owner_host) then
      ctx:note(("run #%d was interrupted   symphony resume %d"):format(row.number, row.number))
      return
    end
  end
end

--- Opens the host of a project that has one already, and mentions what was interrupted.
---@param ctx Context
---@return table? host
---@return Problem?
function M.open(ctx)
  local host, why = ctx:host { create = false }
  if not host then return nil, why end
  M.mention_interrupted(ctx, host)
  return host
end

return M
