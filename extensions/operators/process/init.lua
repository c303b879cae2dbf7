--- The process operator: the host's process.run as an operation; output is streamed as it comes.

local process = require "process"

local M = {}

function M.run(input)
  local result, message, code = process.run {
    argv = input.argv, cwd = input.cwd, stdin = input.stdin, env = input.env, check = input.check,
    timeout = input.timeout, max_output = input.max_output or 4 << 20, stream = true,
  }
  if not result then return nil, message, code end
  return {
    exit_code = result.exit_code, stdout = result.stdout, stderr = result.stderr, signal = result.signal,
    dropped = result.dropped, summary = ("exit code %d"):format(result.exit_code),
  }
end

return M
