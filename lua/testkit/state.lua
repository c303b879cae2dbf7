--- Inside an isolate: what a test has set up and what happened in it. Emptied before each test.
local host = require "testing.host"
local real = require "real.time"

local M = {}

--- What the host knows: name, operations, recorded answers, whether it records.
M.about = host.ask "about"

--- 2026-01-01T00:00:00Z, so that a test is the same on every day.
local BEGIN_MS = 1767225600000

local function empty_record()
  return { artifacts = {}, events = {}, logs = {}, progress = {}, usage = { usd = 0, tokens = 0 }, stream = "",
           transient = false }
end

function M.record()
  M.last = empty_record()
  return M.last
end

--- Begins anew: no files, no answers, the clock where it always begins.
function M.reset()
  M.now_ms, M.began_ms, M.slept_ms = BEGIN_MS, BEGIN_MS, 0
  M.replies, M.requests, M.taken, M.unanswered = {}, {}, {}, {}
  M.programs, M.real, M.ran = {}, {}, {}
  M.blobs = {}
  M.trusted, M.cancelled = false, false
  M.record()
  host.ask "empty"
end

M.real_time = real
M.reset()

return M
