--- A run in the Trace Event Format, which Perfetto and chrome://tracing read: complete events ("X") for executions,
--- asynchronous ones ("b", "e") for the time a task waited to begin, metadata ("M") for names. Microseconds since the
--- run began. The format: "Trace Event Format" by the Chromium project,
--- https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
---
--- A thread of the trace is a stage. Events of one thread must not overlap, but a stage serves many tasks that wait for
--- programs or for time: such a stage has several threads here, as many as it had tasks at once.
local json = require "sy.json"

local M = {}

local PROCESS = 1
local LANES = 1000 -- thread ids of one stage
local VERBS = 0    -- maps, loops, sub-melodies, questions: they belong to no stage

local Writer = {}
Writer.__index = Writer

function Writer:event(event)
  self.write((self.first and "" or ",\n") .. json.encode(event))
  self.first = false
end

function Writer:name_thread(tid, name)
  self:event { ph = "M", name = "thread_name", pid = PROCESS, tid = tid, args = { name = name } }
  self:event { ph = "M", name = "thread_sort_index", pid = PROCESS, tid = tid, args = { sort_index = tid } }
end

--- The thread of a span: the first of its stage's that is free by then.
function Writer:thread(span)
  local stage = span.operation:match "^host%." and VERBS or (span.stage or 0) + 1
  local lanes = self.lanes[stage] or {}
  self.lanes[stage] = lanes
  for i, free_at in ipairs(lanes) do
    if free_at <= span.start then
      lanes[i] = span.finish
      return stage * LANES + i - 1
    end
  end
  lanes[#lanes + 1] = span.finish
  local tid = stage * LANES + #lanes - 1
  local name = stage == VERBS and "maps, loops, sub-melodies" or ("stage %d"):format(stage - 1)
  self:name_thread(tid, #lanes > 1 and ("%s (%d)"):format(name, #lanes) or name)
  return tid
end

function Writer:span(span, critical)
  if span.skipped then return end
  local us = 1000
  if span.start > span.from then
    local wait = { cat = "wait", name = "wait " .. span.key, id = span.id, pid = PROCESS, tid = 0 }
    wait.ph, wait.ts = "b", span.from * us
    self:event(wait)
    wait.ph, wait.ts = "e", span.start * us
    self:event(wait)
  end
  self:event {
    ph = "X", name = span.key, cat = span.operation, ts = span.start * us, dur = (span.finish - span.start) * us,
    pid = PROCESS, tid = self:thread(span),
    args = { id = span.id, operation = span.operation, status = span.status, outcome = span.outcome,
             attempts = span.attempts, usd = span.usd, tokens = span.tokens, critical = critical },
  }
end

--- Writes the whole document, piece by piece.
---@param title string what the process is called
---@param each fun(fn: fun(span: Span)) calls with every span, in the order in which they began
---@param critical table<string, boolean> keys of the critical path
---@param write fun(piece: string)
function M.write(title, each, critical, write)
  local writer = setmetatable({ write = write, first = true, lanes = {} }, Writer)
  write '{"displayTimeUnit":"ms","traceEvents":[\n'
  writer:event { ph = "M", name = "process_name", pid = PROCESS, tid = 0, args = { name = title } }
  each(function(span) writer:span(span, critical[span.key] or false) end)
  write "\n]}\n"
end

return M
