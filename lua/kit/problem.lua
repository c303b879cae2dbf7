--- What went wrong, as contract.md's `error`: {code, message, where = {file, line, task}, hint}.
--- Functions of kit and cli that fail as expected return `nil, problem`.
local M = {}

---@class Problem
---@field code string
---@field message string
---@field where { file: string?, line: integer?, task: string? }
---@field hint string?
---@field severity string? "warning": nothing is refused for it

--- Makes a problem.
---@param code string
---@param message string
---@param more? { file: string?, line: integer?, task: string?, hint: string?, severity: string? }
---@return Problem
function M.new(code, message, more)
  more = more or {}
  return {
    code = code,
    message = message,
    where = { file = more.file, line = more.line, task = more.task },
    hint = more.hint,
    severity = more.severity,
  }
end

--- `nil, problem`, to be returned.
---@param code string
---@param message string
---@param more? table
---@return nil, Problem
function M.fail(code, message, more)
  return nil, M.new(code, message, more)
end

--- A problem out of what a C or Lua module returned after nil: a table as it is, else message and code.
---@param failure any
---@param code? string
---@return Problem
function M.from(failure, code)
  if type(failure) == "table" then
    failure.where = type(failure.where) == "table" and failure.where or {}
    failure.code = failure.code or "internal"
    failure.message = failure.message or "it failed without saying why"
    return failure
  end
  return M.new(code or "internal", tostring(failure))
end

return M
