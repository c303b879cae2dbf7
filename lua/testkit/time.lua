--- Inside an isolate under test: `time`, with a clock that only moves when it is told to, or by sleeping.
local state = require "testing.state"

local M = { iso = state.real_time.iso, parse_iso = state.real_time.parse_iso }

function M.now_ms()
  return state.now_ms
end

function M.monotonic()
  return state.now_ms - state.began_ms + 0.0
end

function M.sleep(seconds)
  if not math.type(seconds) or seconds < 0 then
    error("bad argument #1 to 'sleep' (seconds between 0 and a year)", 2)
  end
  local ms = math.floor(seconds * 1000 + 0.5)
  state.now_ms, state.slept_ms = state.now_ms + ms, state.slept_ms + ms
end

local date, of_table = os.date, os.time

--- os.time and os.date look at the same clock: what they are is the state's own copy.
rawset(os, "time", function(fields)
  if fields then return of_table(fields) end
  return state.now_ms // 1000
end)

rawset(os, "date", function(format, seconds)
  return date(format or "%c", seconds or state.now_ms // 1000)
end)

return M
