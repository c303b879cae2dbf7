--- events: what happened, one JSON document a line, in the order of commits.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local problem = require "kit.problem"
local term = require "sy.term"
local text = require "cli.output.text"

local USAGE = "events [--follow] [--topic PATTERN] [--since SEQ]"
local BATCH = 500
local STEP_MS = 100

local NEXT = [[
SELECT e.seq, e.id, e.pipeline_orchestration_id AS run, e.task_id AS task, x.name AS extension, e.event_type, e.topic,
       e.event_payload, e.occurred_at
FROM event e JOIN extension x ON x.id = e.extension_id WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2]]

local function words_of(topic)
  local list = {}
  for word in topic:gmatch("[^%.]+") do list[#list + 1] = word end
  return list
end

--- Whether a topic matches: `*` stands for one word, `>` at the end for one or more.
local function matches(pattern, topic)
  if not pattern then return true end
  local wanted, got = words_of(pattern), words_of(topic)
  for i, word in ipairs(wanted) do
    if word == ">" then return #got >= i end
    if got[i] == nil or word ~= "*" and word ~= got[i] then return false end
  end
  return #wanted == #got
end

local function valid(pattern)
  if pattern:match("^%.") or pattern:match("%.$") or pattern:find("..", 1, true) or pattern == "" then return false end
  local list = words_of(pattern)
  for i, word in ipairs(list) do
    if word == ">" and i < #list then return false end
  end
  return true
end

local function payload_of(row)
  local value = json.decode(row.event_payload)
  if value == nil then return json.null end
  return value
end

--- A topic for a line of a terminal: of a run's id its ending, which every command takes.
local function short(topic)
  return (topic:gsub("%x+%-%x+%-%x+%-%x+%-%x*(%x%x%x%x%x%x)", "%1"))
end

local function show(ctx, row)
  local payload = payload_of(row)
  if ctx.json then
    io.stdout:write(json.encode {
      seq = row.seq, id = row.id, run = row.run or json.null, task = row.task or json.null,
      extension = row.extension or json.null, event_type = row.event_type, topic = row.topic, payload = payload,
      occurred_at = row.occurred_at,
    }, "\n")
    return
  end
  local payload_text = text.clean(row.event_payload)
  if not ctx.terminal.stdout then
    ctx:print(("%d  %s  %s  %s"):format(row.seq, row.occurred_at, row.topic, payload_text))
    return
  end
  local line = ("%d  %s  %s  %s"):format(row.seq, row.occurred_at:sub(12, 23), short(row.topic), payload_text)
  ctx:print(text.cut(line, ctx.style.columns, ctx.style:letter "ellipsis"))
end

--- Shows all that is committed behind the cursor. Gives the new cursor.
local function drain(ctx, host, since, pattern)
  while true do
    local rows = host:query(NEXT, { since, BATCH })
    for _, row in ipairs(rows) do
      if matches(pattern, row.topic) then show(ctx, row) end
      since = row.seq
    end
    if #rows < BATCH then break end
  end
  io.stdout:flush()
  return since
end

return {
  name = "events",
  summary = "what happened, a line each, in the order of commits",
  usage = USAGE,
  options = {
    { name = "follow", doc = "go on with what happens next, until interrupted" },
    { name = "topic", argument = "PATTERN", doc = "only topics that match: * is one word, > the rest" },
    { name = "since", argument = "SEQ", default = "0", doc = "only events behind this sequence number" },
  },
  example = "symphony events --follow --topic 'run.*.*.task_started'",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, USAGE)
    if not ok then return nil, why end
    local since, pattern = math.tointeger(tonumber(words.options.since) or 0.5), words.options.topic
    if not since or since < 0 then return problem.fail("usage", "--since is a sequence number, 0 or more") end
    if pattern and not valid(pattern) then
      return problem.fail("usage", ("`%s` is no pattern of topics"):format(pattern),
        { hint = "such as run.*.*.task_started or run.>" })
    end
    local host, closed = ctx:host { create = words.options.follow or false }
    if not host then return nil, closed end
    if words.options.follow then term.take_signal() end
    repeat
      since = drain(ctx, host, since, pattern)
      if not words.options.follow then return exit.DONE end
      host:step(STEP_MS)
    until term.take_signal()
    drain(ctx, host, since, pattern)
    return exit.INTERRUPTED
  end,
  matches = matches,
}
