--- One thing that is wrong with a melody: the `error` of the command line's JSON and more, for printing it.
local M = {}

---@class melody.Problem
---@field code string a name of SY_ERRORS, such as "unknown_field"
---@field severity "error"|"warning"
---@field message string one line, without place
---@field where { file: string?, line: integer?, task: string? }
---@field hint string? what to do next
---@field note string? stands beside the caret: "did you mean `files`?"
---@field source_line string? the line, or the part of it that matters
---@field col integer? where the caret stands in source_line, from 1
---@field length integer? of the underlined part
---@field target? melody.Target for place.lua

---@class melody.Target what a problem is about, within the call that adds its task
---@field option string?
---@field path (string|integer)[]?
---@field part string?
---@field text string?
---@field fn string? instead: text of a flow's function, in which an operation is named `text`

--- Makes a problem. `fields` may hold severity, file, line, task, hint, note and target.
---@param code string
---@param message string
---@param fields? table
---@return melody.Problem
function M.new(code, message, fields)
  fields = fields or {}
  return {
    code = code, message = message, severity = fields.severity or "error",
    where = { file = fields.file, line = fields.line, task = fields.task },
    hint = fields.hint, note = fields.note, target = fields.target,
  }
end

--- A problem of a task, with its place.
---@param code string
---@param task table of a definition
---@param message string
---@param fields? table
---@return melody.Problem
function M.of_task(code, task, message, fields)
  local out = M.new(code, message, fields)
  out.where.file = out.where.file or task.file
  out.where.line = out.where.line or task.line
  out.where.task = task.key
  return out
end

--- Whether none of the problems is an error.
---@param problems melody.Problem[]
---@return boolean
function M.ok(problems)
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then return false end
  end
  return true
end

--- The problem as `error` of contract.md section 2, with its severity.
---@param problem melody.Problem
---@return table
function M.json(problem)
  local null = require("sy.json").null
  local where, hint = problem.where, problem.hint
  if problem.note then hint = hint and problem.note .. " " .. hint or problem.note end
  return {
    code = problem.code, message = problem.message, severity = problem.severity, hint = hint or null,
    where = { file = where.file or null, line = where.line or null, task = where.task or null },
  }
end

return M
