--- busted's output: failures as they happen, with place and message, and one line of counts at the end.

local pretty = require "pl.pretty"

local function indent(text) return "    " .. text:gsub("\n", "\n    ") end

local function describe(t)
  local message = t.message
  if message == nil then message = "failed without a message" end
  if type(message) ~= "string" then message = pretty.write(message) end
  local trace = t.trace or {}
  local lines = {"  FAILED  " .. tostring(t.name), indent(message)}
  if t.isError and trace.traceback then lines[#lines + 1] = indent((trace.traceback:gsub("^\n", ""))) end
  return table.concat(lines, "\n") .. "\n"
end

return function (options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function show(list)
    if list[#list] then io.stdout:write(describe(list[#list])) end
    io.stdout:flush()
  end

  function handler.testEnd(_, _, status)
    if status == "failure" then show(handler.failures) end
    if status == "error" then show(handler.errors) end
    return nil, true
  end

  function handler.error(element)
    if element.descriptor ~= "it" then show(handler.errors) end
    return nil, true
  end

  function handler.suiteEnd()
    if options.verbose then
      for _, t in ipairs(handler.pendings) do io.stdout:write("  skipped  ", t.name, "\n") end
    end
    local failed = handler.failuresCount + handler.errorsCount
    local line = "%d passed, %d failed, %d skipped\n"
    io.stdout:write(line:format(handler.successesCount, failed, handler.pendingsCount))
    io.stdout:flush()
    return nil, true
  end

  busted.subscribe({"test", "end"}, handler.testEnd, {predicate = handler.cancelOnPending})
  busted.subscribe({"error"}, handler.error)
  busted.subscribe({"suite", "end"}, handler.suiteEnd)
  return handler
end
