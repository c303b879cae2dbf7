--- Inside an isolate under test: `process`. A program answers as the test says; those that it calls real run.
local host = require "testing.host"
local real = require "real.process"
local state = require "testing.state"

local M = {}

local function begins(argv, with)
  for i, word in ipairs(with) do
    if argv[i] ~= word then return false end
  end
  return true
end

local function told(options)
  for _, program in ipairs(state.programs) do
    if begins(options.argv, program.argv) then
      if type(program.answer) == "function" then return program.answer(options) end
      return program.answer
    end
  end
end

local function result(options, answer)
  local out = { exit_code = 0, stdout = "", stderr = "", duration_ms = 0, timed_out = false }
  for key, value in pairs(answer) do out[key] = value end
  if options.check and out.exit_code ~= 0 then
    return nil, ("%s ended with exit code %d: %s"):format(options.argv[1], out.exit_code, out.stderr), "process_failed"
  end
  if options.stream then state.last.stream = state.last.stream .. out.stdout end
  if options.on_output and out.stdout ~= "" then options.on_output("stdout", out.stdout) end
  return out
end

function M.run(options)
  local name = type(options) == "table" and type(options.argv) == "table" and options.argv[1]
  if type(name) ~= "string" then error("bad argument #1 to 'run' (argv expected)", 2) end
  if not host.allows("process", name) then
    return nil, ("may not run `%s`: it was not granted; add  process = [\"%s\"]  to Symphony.toml"):format(name, name),
      "permission_denied"
  end
  table.insert(state.ran, options)
  local answer, message, code = told(options)
  if answer then return result(options, answer) end
  if message then return nil, message, code end
  if state.real[name] or state.real["*"] then
      return real.run(options)
  end
  local missing = ("`%s` has no answer in this test: testing.program{...}, or testing.real \"%s\" to run it"):format(
    table.concat(options.argv, " "), name)
  table.insert(state.unanswered, missing)
  error(missing, 2)
end

function M.which(name)
  for _, program in ipairs(state.programs) do
    if program.argv[1] == name then return "/usr/bin/" .. name end
  end
  if state.real[name] then return real.which(name) end
  return nil, ("there is no program `%s`"):format(name), "not_found"
end

return M
