--- The tasks of one run as lines: what is known of each, in the order in which the melody runs them.
local document = require "cli.output.document"
local json = require "sy.json"
local null = require "kit.null"
local text = require "cli.output.text"

local present = null.present

local M = {}

local TEXT_WIDTH = 24
local TIME_WIDTH = 8

---@class Board
local Board = {}
Board.__index = Board

--- A board of a run that has just been started.
---@param host table
---@param run string id
---@param style Style
---@param before? string when the run had ended before it was resumed: what had not gone well then may run again
---@return Board
function M.new(host, run, style, before)
  local row = host:query("SELECT task_dag, execution_sequence FROM pipeline_orchestration WHERE id = ?1", { run })[1]
  local self = setmetatable({ host = host, run = run, style = style, lines = {}, by_key = {},
    before = before }, Board)
  for _, task in ipairs(document.ordered(json.decode(row.task_dag), json.decode(row.execution_sequence) or {})) do
    local line = { key = task.key, state = "pending", text = "", needs = {} }
    self.lines[#self.lines + 1] = line
    self.by_key[task.key] = line
  end
  for _, edge in ipairs(json.decode(row.task_dag).edges or {}) do
    local after = self.by_key[edge[2]]
    if after and edge[3] == "hard" then after.needs[#after.needs + 1] = edge[1] end
  end
  self.key_width = 0
  for _, line in ipairs(self.lines) do self.key_width = math.max(self.key_width, #line.key) end
  return self
end

local ROWS = [[
SELECT t.id, t.key, t.task_status, t.outcome, t.attempts, t.error, t.output, t.output_hash, t.cost_ms, t.operation,
       t.created_at, t.started_at, t.completed_at, json_extract(t.execution_context, '$.decided') AS decided,
       json_extract(t.execution_context, '$.waits') AS waits,
       CASE t.operation WHEN 'host.ask' THEN json_quote(json_extract(t.task_payload, '$.question')) END AS asked,
       json_extract(t.execution_context, '$.left_out') AS left_out,
       json_extract(t.execution_context, '$.forked_from.number') AS kept_from,
       CASE t.operation WHEN 'host.each' THEN json_extract(t.task_payload, '$.items') END AS items
FROM task t WHERE t.pipeline_orchestration_id = ?1 AND t.key <> '' AND instr(t.key, '/') = 0]]

local CHILDREN = [[
SELECT count(*) AS total, coalesce(sum(t.task_status = 'completed' AND t.outcome <> 'skipped'), 0) AS done,
       coalesce(sum(t.outcome = 'skipped'), 0) AS skipped, coalesce(sum(t.task_status = 'failed'), 0) AS failed,
       coalesce(sum(t.outcome = 'cached'), 0) AS cached
FROM task t
WHERE t.pipeline_orchestration_id = ?1 AND t.parent_task_id = ?2 AND substr(t.key, -11) <> '/compensate']]

--- The children that there are may still become more: the list says how many there will be.
local function children_text(counts, items)
  local words = {}
  if counts.skipped > 0 then words[#words + 1] = counts.skipped .. " skipped" end
  if counts.failed > 0 then words[#words + 1] = counts.failed .. " failed" end
  if counts.cached > 0 then words[#words + 1] = counts.cached .. " cached" end
  local base = ("%d of %d"):format(counts.done, math.max(counts.total, present(items) and items or 0))
  return #words > 0 and ("%s (%s)"):format(base, table.concat(words, ", ")) or base
end

--- What the tasks below one are called, one and many.
local PARENTS = {
  ["host.each"] = { "call", "calls" }, ["host.loop"] = { "iteration", "iterations" },
  ["host.sub"] = { "task", "tasks" }, ["host.flow"] = { "call", "calls" },
}

--- "3 tasks", "5 calls".
local function below_text(operation, counts)
  if counts.total == 0 then return nil end
  local words = PARENTS[operation]
  return ("%d %s"):format(counts.total, words[counts.total == 1 and 1 or 2])
end

local function output_of(host, row)
  if present(row.output) then return json.decode(row.output) end
  if not present(row.output_hash) then return nil end
  local bytes = host:artifact_get(row.output_hash)
  return bytes and json.decode(bytes) or nil
end

local function error_text(row, fallback)
  local why = present(row.error) and json.decode(row.error) or nil
  if type(why) ~= "table" then return fallback end
  return (tostring(why.message or why.code or fallback):gsub("%s*\n.*$", ""))
end

local function finished_state(row)
  if row.task_status == "failed" then return row.outcome == "cancelled" and "skip" or "fail" end
  if row.outcome == "skipped" then return "skip" end
  if row.outcome == "fallback" or row.outcome == "compensated" then return "warn" end
  return "ok"
end

--- What an output says it looks at, such as HEAD → working tree · 12 files; nil: it does not say.
local function scope_of(output)
  if type(output) ~= "table" or type(output.scope) ~= "string" then return nil end
  return {
    from = type(output.base) == "string" and output.base ~= "" and output.base or nil,
    to = output.scope,
    files = type(output.files) == "table" and #output.files or nil,
  }
end

--- Why a task was skipped: someone said so, what it needs has no value, else its condition does not hold.
function Board:skip_reason(line, row)
  if present(row.left_out) then return "left out by fork --only" end
  if present(row.kept_from) then return ("as in run #%d"):format(row.kept_from) end
  if present(row.decided) then return "by resume --skip" end
  for _, key in ipairs(line.needs) do
    local state = self.by_key[key] and self.by_key[key].state
    if state == "fail" then return ("`%s` failed"):format(key) end
    if state == "skip" then return ("`%s` was skipped"):format(key) end
  end
  return "its condition does not hold"
end

function Board:finished_text(line, row)
  if row.outcome == "compensated" then return "undone" end
  if row.outcome == "skipped" then return "skipped: " .. error_text(row, self:skip_reason(line, row)) end
  if row.task_status == "failed" then return error_text(row, row.outcome or "failed") end
  local output = output_of(self.host, row)
  local said = type(output) == "table" and type(output.summary) == "string" and output.summary or ""
  if not self.scope then self.scope = scope_of(output) end
  if row.operation == "host.ask" then return text.cut(json.encode(output), TEXT_WIDTH, self.style:letter "ellipsis") end
  if said == "" and present(row.decided) then return "given with resume --result" end
  if row.outcome == "cached" then return said == "" and "cached" or said .. " (cached)" end
  return said
end

--- What a task waits for: its question, or a decision.
local function waiting_text(row)
  if row.waits ~= "answer" then return "waits: " .. error_text(row, "a decision") end
  local asked = json.decode(row.asked or "null")
  return type(asked) == "string" and asked:gsub("%s*\n.*$", "") or "asks"
end

function Board:update_line(line, row)
  line.id = row.id
  line.ms = row.cost_ms
  line.started_at = row.started_at
  local counts = PARENTS[row.operation] and self.host:query(CHILDREN, { self.run, row.id })[1] or nil
  local below = counts and row.operation ~= "host.each" and below_text(row.operation, counts)
  if row.operation ~= "host.each" then counts = nil end
  if row.task_status == "completed" or row.task_status == "failed" then
    line.done = true
    line.state = finished_state(row)
    line.text = self:finished_text(line, row)
    if below and line.text == "" then line.text = below end
    if counts and line.state == "ok" then
      if line.text == "" then line.text = children_text(counts, row.items) end
      if counts.failed + counts.skipped > 0 then line.state = "warn" end
    end
  elseif row.task_status == "pending" then
    line.state, line.text = "pending", row.attempts > 0 and "trying again" or ""
  else
    line.state = present(row.waits) and "wait" or "run"
    line.text = present(row.waits) and waiting_text(row) or counts and children_text(counts, row.items)
                or line.progress or below or ""
  end
end

--- Whether a row is of the time before a resume that may do its task again.
function Board:is_old(row)
  local bad = row.task_status == "failed" or row.outcome == "skipped"
  return self.before ~= nil and bad and present(row.completed_at) and row.completed_at <= self.before
end

--- Reads what has been committed since.
---@param all? boolean also what is of the time before a resume
function Board:refresh(all)
  if all then self.before = nil end
  local rows = {}
  for _, row in ipairs(self.host:query(ROWS, { self.run })) do rows[row.key] = row end
  for _, line in ipairs(self.lines) do
    local row = rows[line.key]
    local undone = row and line.done and not line.undone and row.outcome == "compensated"
    if undone then line.undone, line.taken = true, false end
    if row and (not line.done or undone) and not self:is_old(row) then self:update_line(line, row) end
  end
end

--- Lines that have ended and were not given yet, in the order of the melody: one waits for those before it. What was
--- undone comes last, once more.
---@param all? boolean do not wait
---@return table[]
function Board:take(all)
  local taken = {}
  for _, line in ipairs(self.lines) do
    if line.done and not line.taken and not line.undone then
      line.taken = true
      taken[#taken + 1] = line
    elseif not line.done and not all then
      break
    end
  end
  for _, line in ipairs(all and self.lines or {}) do
    if line.undone and not line.taken then
      line.taken = true
      taken[#taken + 1] = line
    end
  end
  return taken
end

--- Takes an event of the run: progress has no row.
---@param event table
function Board:event(event)
  local line = event.event_type == "task.progress" and self.by_key[event.topic:match("^run%.[^%.]+%.([^%.]+)%.") or ""]
  local payload = line and event.payload
  if type(payload) ~= "table" then return end
  local count = present(payload.total) and ("%g of %g"):format(payload.done or 0, payload.total) or nil
  line.progress = present(payload.text) and payload.text or count
end

--- How many of the tasks have ended.
---@return integer done, integer all
function Board:count()
  local done = 0
  for _, line in ipairs(self.lines) do done = done + (line.done and 1 or 0) end
  return done, #self.lines
end

--- Makes room for what all lines say, so that their times stand below each other.
function Board:fit()
  local head, widest = 6 + self.key_width, TEXT_WIDTH
  for _, line in ipairs(self.lines) do
    local timed = line.ms and line.done and line.state ~= "skip"
    if timed then widest = math.max(widest, text.width(text.clean(line.text))) end
  end
  self.text_width = math.min(widest, math.max(TEXT_WIDTH, self.style.columns - head - TIME_WIDTH - 2))
end

--- One task as a line of at most the terminal's width.
---@param line table
---@return string
function Board:render(line)
  local head = "  " .. self.style:sign(line.state) .. " " .. text.pad(line.key, self.key_width) .. "  "
  local time = line.ms and line.done and line.state ~= "skip" and text.duration(line.ms) or ""
  local room = self.style.columns - text.width(head) - TIME_WIDTH - 2
  local said = text.clean(line.text or "")
  if time == "" then room = room + TIME_WIDTH + 2 end
  said = text.cut(said, math.max(room, 12), self.style:letter "ellipsis")
  if not self.style.utf8 then said = M.ascii(said) end
  if time == "" then return ((head .. said):gsub("%s+$", "")) end
  local width = math.min(self.text_width or TEXT_WIDTH, math.max(room, 12))
  return head .. text.pad(said, width) .. text.pad(time, TIME_WIDTH, true)
end

local ASCII = { ["−"] = "-", ["–"] = "-", ["—"] = "-", ["→"] = "->", ["·"] = "|", ["…"] = "...", ["“"] = '"',
  ["”"] = '"', ["’"] = "'" }

--- Text for a terminal whose letters are ASCII.
---@param said string
---@return string
function M.ascii(said)
  return (said:gsub("[\xC2-\xF4][\x80-\xBF]*", function(letter) return ASCII[letter] or "?" end))
end

return M
