--- Inside an isolate under test: what a spec gets by `require "testing"`.
local context = require "testing.ctx"
local host = require "testing.host"
local schema = require "schema"
local state = require "testing.state"

local M = {}

--- Calls an operation as the engine does: the input against its schema, with defaults; then the code, with a ctx; then
--- the output against its schema. An error in the code is an error here.
---@param name string
---@param input? table
---@return any output
---@return string? message
---@return string? code
function M.call(name, input)
  local declared = state.about.operations[name]
  if not declared then error(("%s has no operation `%s`"):format(state.about.name, name), 2) end
  local value, message, code = host.ask("cross", input or {}), nil, nil
  if declared.input then value, message, code = schema.check(declared.input, value) end
  if value == nil then return nil, message, code end
  local operation = require(state.about.entry)[name]
  if type(operation) ~= "function" then
    error(("%s does not return a function `%s`"):format(state.about.file, name), 2)
  end
  state.record()
  local output
  output, message, code = operation(value, context.new())
  if output == nil and message ~= nil then return nil, message, code or "extension_error" end
  if output ~= nil then output = host.ask("cross", output) end
  if not declared.output then return output end
  value, message = schema.check(declared.output, output)
  if value == nil then return nil, ("the output of %s: %s"):format(name, message), "extension_error" end
  return value
end

--- A ctx, for operations that a spec calls by itself.
---@return table
function M.ctx()
  state.record()
  return context.new()
end

--- What the last call left: artifacts, events, logs, progress, stream, usage, transient.
---@return table
function M.last()
  return state.last
end

--- Puts files into the project: path → content.
---@param tree table<string, string>
function M.files(tree)
  host.ask("files", tree)
end

--- The content of a file of the project; nil where none is.
---@param path string
---@return string?
function M.read(path)
  return host.ask("read", path) or nil
end

--- Runs a line of shell in the project, to set a scene; raises unless it succeeds. It reaches nothing else.
---@param line string
---@return string out
function M.sh(line)
  return host.ask("shell", line)
end

--- Whether the calls that follow run in a project that is trusted.
---@param yes boolean
function M.trusted(yes)
  state.trusted = yes
end

--- Whether the calls that follow are cancelled.
---@param yes boolean
function M.cancelled(yes)
  state.cancelled = yes
end

--- Milliseconds since 1970, as the code under test sees them.
---@return integer
function M.now_ms()
  return state.now_ms
end

--- Sets the clock.
---@param ms integer
function M.set_now(ms)
  state.now_ms = ms
end

--- Moves the clock.
---@param ms integer
function M.advance(ms)
  state.now_ms = state.now_ms + ms
end

--- Milliseconds that were slept.
---@return integer
function M.slept_ms()
  return state.slept_ms
end

--- Answers HTTP requests for a URL, where a * at its end stands for anything, with {status=, headers=, body=} or a
--- function of the request. `nil, message, code` of a function is a request that failed.
---@param url string
---@param answer table|fun(request: table): table?, string?, string?
---@param method? string
function M.reply(url, answer, method)
  table.insert(state.replies, 1, { url = url, answer = answer, method = method })
end

--- The HTTP requests that were made.
---@return { method: string, url: string, body: string?, headers: table }[]
function M.requests()
  return state.requests
end

--- Answers for a program whose arguments begin so, with {exit_code=, stdout=, stderr=} or a function of the options.
---@param argv string[]
---@param answer table|fun(options: table): table?, string?, string?
function M.program(argv, answer)
  table.insert(state.programs, 1, { argv = argv, answer = answer })
end

--- Lets a program really run, in the project's folder, as far as it is granted.
---@param name string "*": each that is granted
function M.real(name)
  state.real[name] = true
end

--- The programs that were run: the options of process.run.
---@return table[]
function M.ran()
  return state.ran
end

return M
