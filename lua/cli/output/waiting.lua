--- What a run waits for, in the documents.
local json = require "sy.json"
local null = require "kit.null"
local questions = require "kit.questions"

local M = {}

local ENDED = { completed = true, failed = true, cancelled = true }

--- What the run waits for.
---@param host table
---@param run table a row
---@return table[]
function M.list(host, run)
  local list = json.array {}
  if ENDED[run.status] then return list end
  for i, one in ipairs(questions.list(host, run.id)) do
    list[i] = { task = one.task, why = one.why, question = null.of(one.question), schema = null.of(one.schema),
                default = null.of(one.default), message = null.of(one.message) }
  end
  return list
end

--- The first thing that a run waits for, as text, or null.
---@param host table
---@param run table a row
---@return string
function M.first(host, run)
  local first = not ENDED[run.status] and questions.list(host, run.id)[1]
  if not first then return json.null end
  return ("%s: %s"):format(first.task, first.question or first.message or first.why)
end

return M
