--- What one task streams, from an offset on, to stdout: bytes as they are, lines of JSON in words.
local exit = require "cli.exit"
local json = require "sy.json"
local problem = require "kit.problem"
local select = require "cli.select"
local term = require "sy.term"
local text = require "cli.output.text"

local M = {}

local STEP_MS = 50
local ENDED = { completed = true, failed = true, cancelled = true }

local KEYS = "SELECT key FROM task WHERE pipeline_orchestration_id = ?1 AND key <> '' ORDER BY key"

M.KINDS = { "tokens", "progress", "log" }

--- Tokens for a terminal: lines stay, nothing moves the cursor.
local function calm(bytes)
  return (bytes:gsub("[^\n]+", text.clean))
end

local function words_of(kind, line)
  local said = json.decode(line)
  if type(said) ~= "table" then return text.clean(line) end
  if kind == "log" then return ("%s  %-5s  %s"):format(said.at:sub(12, 23), said.level, text.clean(said.text)) end
  local share = said.total > 0 and ("%.14g/%.14g"):format(said.done, said.total) or ("%.14g"):format(said.done)
  return (share .. "  " .. text.clean(said.text)):gsub("%s+$", "")
end

local function show(ctx, key, kind, piece)
  if ctx.json then
    ctx:print(json.encode({ task = key, kind = kind, attempt = piece.attempt, epoch = piece.epoch,
      offset = piece.offset, next = piece.next, text = piece.data }, { lossy = true }))
  elseif kind == "tokens" then
    io.stdout:write(ctx.terminal.stdout and calm(piece.data) or piece.data)
  else
    for line in piece.data:gmatch("[^\n]+") do ctx:print((words_of(kind, line))) end
  end
  io.stdout:flush()
end

--- The one task that is meant.
local function task_of(host, row, glob)
  local rows = host:query(KEYS, { row.id })
  if not glob and #rows == 1 then return rows[1].key end
  if not glob then
    return problem.fail("usage", "a stream is one task's: name it",
      { hint = ("symphony show %d   lists them"):format(row.number) })
  end
  if not glob:find "[*?]" then return glob end -- it may not have begun yet
  local found, why = select.tasks(rows, glob, row.number)
  if not found then return nil, why end
  if #found > 1 then return problem.fail("usage", ("`%s` is several tasks; a stream is one task's"):format(glob)) end
  return found[1].key
end

--- The next piece; nil without a problem: none yet, perhaps because the task has not begun.
local function read(host, row, key, options, offset)
  local piece, why, code = host:stream(row.id, key, options.kind, offset)
  if piece or not why then return piece end
  if code == "not_found" and options.follow and not ENDED[row.status] then return nil end
  return nil, problem.from(why, code)
end

--- Shows a task's stream; `follow` until the run has ended.
---@param ctx Context
---@param host table
---@param row table the run
---@param options { task: string?, kind: string, since: integer, follow: boolean? }
---@return integer? exit code
---@return Problem?
function M.show(ctx, host, row, options)
  local key, unclear = task_of(host, row, options.task)
  if not key then return nil, unclear end
  local offset = options.since
  while true do
    local piece, why, gone
    row, gone = select.run(host, row.id) -- before the stream: what an ended run has said, has been said
    if not row then return nil, gone end
    piece, why = read(host, row, key, options, offset)
    if why then return nil, why end
    if piece then
      show(ctx, key, options.kind, piece)
      offset = piece.next
    elseif not options.follow or ENDED[row.status] then
      gone = select.gone(host, row)
      if gone then return nil, gone end
      return exit.DONE
    else
      host:step(STEP_MS)
    end
    if options.follow and term.take_signal() then
      ctx:note(("go on with symphony logs %d %s --stream %s --since %d --follow"):format(row.number, key, options.kind,
        offset))
      return exit.INTERRUPTED
    end
  end
end

return M
