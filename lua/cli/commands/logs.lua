--- logs: what a run's tasks said and how they ended, in order.
local args = require "cli.args"
local board = require "cli.output.board"
local exit = require "cli.exit"
local follow = require "cli.follow"
local json = require "sy.json"
local problem = require "kit.problem"
local questions = require "kit.questions"
local select = require "cli.select"
local stream = require "cli.stream"
local term = require "sy.term"
local text = require "cli.output.text"

local USAGE = "logs [RUN] [TASK] [--failed] [--follow] [--stream KIND [--since OFFSET]]"
local STEP_MS = 100

local ENDED = { completed = true, failed = true, cancelled = true }

local NEXT = [[
SELECT e.seq, e.occurred_at, e.event_type, e.event_payload, t.key, t.id AS task_id, t.task_status, x.name AS extension
FROM event e JOIN task t ON t.id = e.task_id JOIN extension x ON x.id = e.extension_id
WHERE e.pipeline_orchestration_id = ?1
  AND e.seq > max(?2, (SELECT coalesce(max(first_seq), 0) FROM run_span WHERE pipeline_orchestration_id = ?1))
  AND e.seq <= (SELECT coalesce(max(last_seq), 1 << 62) FROM run_span WHERE pipeline_orchestration_id = ?1)
ORDER BY e.seq]]

--- The keys of tasks that are meant; nil: all.
local function chosen(host, row, glob, failed)
  if not glob and not failed then return nil end
  local rows = host:query("SELECT key, task_status FROM task WHERE pipeline_orchestration_id = ?1", { row.id })
  local keys = {}
  local list, why = rows, nil
  if glob then list, why = select.tasks(rows, glob, row.number) end
  if not list then return nil, why end
  for _, one in ipairs(list) do keys[one.key] = not failed or one.task_status == "failed" end
  return keys
end

--- What the engine tells of a task or a run, in a few words; nil: it is an event of someone else.
local function engine_words(kind, payload)
  if kind == "task_started" then return payload.items and payload.items .. " items" or "" end
  if kind == "artifact_produced" and payload.hash then
    return ("%s  %s  %s"):format(payload.type, text.size(payload.size or 0), payload.hash)
  end
  if kind == "resource_allocated" and payload.decision then
    return ("%s of %s%s"):format(payload.decision, payload.extension or "a program",
      payload.ms and "  " .. text.duration(payload.ms) or "")
  end
  if kind == "task.asked" and type(payload.question) == "string" then
    local asked = payload.question .. (payload.cut and " …" or "")
    return questions.text { why = "answer", question = asked, schema = payload.schema }
  end
  if payload.key and payload.status == "completed" then
    local words = { payload.summary }
    if payload.items then words[#words + 1] = ("%d of %d"):format(payload.items - payload.failed, payload.items) end
    if payload.outcome and payload.outcome ~= "ok" then words[#words + 1] = payload.outcome end
    if payload.ms then words[#words + 1] = text.duration(payload.ms) end
    return table.concat(words, "  ")
  end
  if payload.key and payload.status == "executing" then return "" end
  return payload.number and payload.status and "" or nil
end

local function said(row)
  local payload = json.decode(row.event_payload)
  if type(payload) ~= "table" then return "" end
  local words = engine_words(row.event_type, payload)
  if words then return words end
  if type(payload.error) == "table" then
    return ("%s: %s"):format(payload.error.code or "error", payload.error.message or "")
  end
  if type(payload.message) == "string" then
    return (type(payload.code) == "string" and payload.code .. ": " or "") .. payload.message
  end
  if type(payload.text) == "string" then return payload.text end
  return next(payload) and row.event_payload or ""
end

local function show(ctx, row)
  if ctx.json then
    ctx:print(json.encode { seq = row.seq, at = row.occurred_at, task = row.key, extension = row.extension,
      event_type = row.event_type, text = said(row) })
    return
  end
  local first = true
  for piece in (said(row) .. "\n"):gmatch("(.-)\n") do
    local clean = text.clean(piece)
    if not ctx.style.utf8 then clean = board.ascii(clean) end
    local who = row.key ~= "" and row.key or "run"
    local head = ("%s  %s  %-18s"):format(row.occurred_at:sub(12, 23), who, row.event_type)
    ctx:print(((first and head or "  ") .. "  " .. clean):gsub("%s+$", ""))
    first = false
  end
end

--- The offset of --since; nil without a problem: it was not given.
local function offset_of(words)
  local since = words.options.since
  if not since then return nil end
  if not words.options.stream then return problem.fail("usage", "--since is an offset of --stream") end
  local offset = math.tointeger(tonumber(since))
  if offset and offset >= 0 then return offset end
  return problem.fail("usage", ("--since is an offset, 0 or more, not `%s`"):format(since))
end

return {
  name = "logs",
  summary = "what a run's tasks said and how they ended",
  usage = USAGE,
  options = {
    { name = "failed", doc = "only tasks that failed" },
    { name = "follow", doc = "go on until the run has ended" },
    { name = "stream", argument = "KIND", choices = stream.KINDS,
      doc = "what one task streams: tokens, progress or log" },
    { name = "since", argument = "OFFSET", doc = "where the stream goes on; its beginning when left out" },
  },
  example = "symphony logs last 'checks/*' --failed",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 2, USAGE)
    if not ok then return nil, why end
    local offset, no_offset = offset_of(words)
    if no_offset then return nil, no_offset end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local row, none = select.run(host, words[1])
    if not row then return nil, none end
    if words.options.follow then term.take_signal() end
    if words.options.stream then
      return stream.show(ctx, host, row,
        { task = words[2], kind = words.options.stream, since = offset or 0, follow = words.options.follow })
    end
    local since = 0
    while true do
      row, none = select.run(host, row.id)
      if not row then return nil, none end
      local keys, unknown = chosen(host, row, words[2], words.options.failed)
      if unknown then return nil, unknown end
      for _, event in ipairs(host:query(NEXT, { row.id, since })) do
        if not keys or keys[event.key] then show(ctx, event) end
        since = event.seq
      end
      local gone = select.gone(host, row)
      if gone then return nil, gone end
      if not words.options.follow or ENDED[row.status] then return exit.DONE end
      host:step(STEP_MS)
      if term.take_signal() then return exit.INTERRUPTED end
    end
  end,
}
