--- Inside an isolate: runs one spec file under busted and tells the host of each test as it ends.
local framework = require "testing.framework"
local host = require "testing.host"
local state = require "testing.state"

local time = state.real_time
require "time" -- os.time and os.date belong to the test's clock from now on

local function title(busted, element)
  local words, at = { element.name }, busted.context.parent(element)
  while at and at.descriptor == "describe" do
    table.insert(words, 1, at.name)
    at = busted.context.parent(at)
  end
  return table.concat(words, " ")
end

local function line_of(element)
  local trace = element.trace
  return trace and trace.currentline or nil
end

--- What went wrong in a test, or outside of each.
local function follow(busted)
  local now, failed
  busted.subscribe({ "test", "start" }, function(element)
    now, failed = { name = title(busted, element), line = line_of(element), began = time.monotonic() }, {}
    host.ask("begin", { name = now.name, line = now.line })
    return nil, true
  end)
  local function wrong(element, _, message, trace)
    message = tostring(message)
    if element.descriptor ~= "it" and element.descriptor ~= "test" and not now then
      host.ask("outside", { message = message, line = trace and trace.currentline })
    else
      table.insert(failed, message)
    end
    return nil, true
  end
  busted.subscribe({ "failure" }, wrong)
  busted.subscribe({ "error" }, wrong)
  busted.subscribe({ "test", "end" }, function(_, _, status)
    for _, missing in ipairs(state.unanswered) do
      if not table.concat(failed, "\n"):find(missing, 1, true) then table.insert(failed, missing) end
    end
    host.ask("result", { name = now.name, line = now.line, status = tostring(status), problems = failed,
      ms = time.monotonic() - now.began })
    now = nil
    return nil, true
  end)
end

local M = {}

--- Runs a spec file.
---@param spec { source: string, file: string }
---@return { done: boolean }
function M.run(spec)
  local busted = framework.require "busted.core"()
  framework.require "busted"(busted)
  local chunk, why = load(spec.source, "@" .. spec.file, "t")
  if not chunk then error(why, 0) end
  follow(busted)
  local assert, before = framework.require "luassert", nil
  busted.executors.before_each(function()
    if before then before:revert() end -- what a test has stubbed is as it was in the next
    before = assert:snapshot()
    state.reset()
  end)
  local file = { getTrace = function(_, info) return info end }
  busted.executors.file(spec.file, setmetatable(file, { __call = chunk }))
  framework.require "busted.execute"(busted)(1, { seed = 1 })
  return { done = true }
end

return M
