--- A run's tasks as bars over time, for a terminal of any width. What is on the critical path has bars of full blocks,
--- the rest of half ones; dots are the time for which a task waited to begin.
local board = require "cli.output.board"
local text = require "cli.output.text"

local M = {}

local MOST_ROWS = 40
local MOST_KEY = 28
local LEAST_BAR = 10
local TIME = 12

local LETTERS = { critical = { "█", "#" }, other = { "▒", "=" }, wait = { "·", "." } }

local Gantt = {}
Gantt.__index = Gantt

function Gantt:letter(name)
  return LETTERS[name][self.style.utf8 and 1 or 2]
end

-- ---- order ----

--- The spans as a tree: what lies below a task stands behind it, also where it began later than other tasks.
---@param spans Span[]
---@return Span[]
function M.tree(spans)
  local known, below, out = {}, {}, {}
  for _, span in ipairs(spans) do known[span.key] = true end
  for _, span in ipairs(spans) do
    local parent = span.key:match "^(.+)/[^/]+$"
    while parent and not known[parent] do parent = parent:match "^(.+)/[^/]+$" end
    parent = parent or ""
    below[parent] = below[parent] or {}
    table.insert(below[parent], span)
  end
  local function add(parent)
    for _, span in ipairs(below[parent] or {}) do
      out[#out + 1] = span
      add(span.key)
    end
  end
  add ""
  return out
end

-- ---- many tasks ----

--- Which of many spans keep a line of their own: those of the critical path, then the longest.
local function kept(spans)
  local order, keep = {}, {}
  for i in ipairs(spans) do order[i] = i end
  table.sort(order, function(a, b)
    local x, y = spans[a], spans[b]
    if (x.critical or false) ~= (y.critical or false) then return x.critical or false end
    local dx, dy = x.finish - x.start, y.finish - y.start
    if dx ~= dy then return dx > dy end
    return a < b
  end)
  for i = 1, MOST_ROWS do keep[order[i]] = true end
  return keep
end

local function joined(list)
  local one = { from = math.huge, start = math.huge, finish = 0, folded = #list, key = ("%d more"):format(#list) }
  for _, span in ipairs(list) do
    one.from, one.start = math.min(one.from, span.from), math.min(one.start, span.start)
    one.finish = math.max(one.finish, span.finish)
    one.critical = one.critical or span.critical
  end
  return one
end

--- The spans, where there are many the shorter ones that stand together as one bar.
---@param spans Span[]
---@return Span[]
function M.fold(spans)
  if #spans <= MOST_ROWS then return spans end
  local keep, out, rest = kept(spans), {}, {}
  local function flush()
    if #rest == 1 then out[#out + 1] = rest[1] elseif #rest > 1 then out[#out + 1] = joined(rest) end
    rest = {}
  end
  for i, span in ipairs(spans) do
    if keep[i] then
      flush()
      out[#out + 1] = span
    else
      rest[#rest + 1] = span
    end
  end
  flush()
  return out
end

-- ---- lines ----

--- The column of a moment, from 0.
function Gantt:column(ms)
  if self.finish <= 0 then return 0 end
  return math.min(self.bar - 1, math.floor(ms / self.finish * self.bar))
end

function Gantt:bar_of(span)
  local from, start = self:column(span.from), self:column(span.start)
  local share = math.floor(span.finish / math.max(self.finish, 1) * self.bar + 0.5)
  local finish = math.max(start + 1, math.min(self.bar, share))
  local fill = self:letter(span.critical and "critical" or "other")
  local done = (" "):rep(from) .. self:letter("wait"):rep(start - from) .. fill:rep(finish - start)
  return text.pad(done, self.bar)
end

local function name_of(span)
  local depth = select(2, span.key:gsub("/", ""))
  local name = depth > 0 and ("  "):rep(depth) .. span.key:match "[^/]+$" or span.key
  if span.children then name = ("%s x%d"):format(name, span.children.count) end
  return name
end

local function time_of(span)
  if span.skipped then return "skipped" end
  if span.outcome == "cached" then return "cached" end
  local words = text.duration(span.finish - span.start)
  if span.open then return words .. " ..." end
  return span.status == "failed" and words .. " !" or words
end

function Gantt:row(span)
  local name = text.clean(name_of(span))
  if not self.style.utf8 then name = board.ascii(name) end
  name = text.pad(text.cut(name, self.key, self.style:letter "ellipsis"), self.key)
  local line = ("  %s  %s"):format(name, self:bar_of(span))
  if self.times then line = ("%s%s"):format(line, text.pad(time_of(span), TIME, true)) end
  return self.style:paint(span.critical and "bold" or "dim", (line:gsub("%s+$", "")))
end

function Gantt:axis()
  local last = text.duration(self.finish)
  local from = text.pad("0", math.max(1, self.bar - text.width(last)))
  return self.style:paint("dim", ("  %s  %s%s"):format((" "):rep(self.key), from, last))
end

--- What the letters mean, and how long the path took.
function Gantt:legend(path)
  local busy = 0
  for _, span in ipairs(path) do
    if not span.key:find "/" then busy = busy + span.finish - span.start end
  end
  local words = ("%s critical path: %s in %d %s"):format(self:letter "critical", text.duration(busy), #path,
    #path == 1 and "task" or "tasks")
  local rest = ("   %s other   %s waits"):format(self:letter "other", self:letter "wait")
  local line = "  " .. words .. rest
  return text.width(line) <= self.style.columns and line or "  " .. words
end

--- The lines of a gantt chart.
---@param model table as cli.run_trace.model gives it
---@param style Style
---@return string[]
function M.lines(model, style)
  local self = setmetatable({ style = style, finish = math.max(model.finish, 1) }, Gantt)
  local spans, lines = M.fold(M.tree(model.spans)), {}
  for _, span in ipairs(spans) do self.finish = math.max(self.finish, span.finish) end
  self.key = 4
  for _, span in ipairs(spans) do self.key = math.max(self.key, text.width(name_of(span))) end
  self.key = math.min(self.key, MOST_KEY, math.max(4, style.columns // 3))
  self.times = style.columns - self.key - 4 - TIME >= LEAST_BAR
  self.bar = math.max(LEAST_BAR, style.columns - self.key - 4 - (self.times and TIME or 0))
  for i, span in ipairs(spans) do lines[i] = self:row(span) end
  if #spans > 0 then
    lines[#lines + 1] = self:axis()
    lines[#lines + 1] = self:legend(model.path)
  end
  return lines
end

return M
