--- Which operations may cost money or tokens, and whether they say how much before a call.
---
--- An operation may spend when it belongs to an instrument, when it changes the world outside with a network or a
--- secret, or when its own estimate is above zero. Where a budget of such a unit applies, one that does not say how
--- much is refused: by `estimate` in its manifest, or by a function `estimate` in its code.
local definition_of = require "melody.definition"
local estimates = require "melody.estimates"
local problem = require "kit.problem"
local suggest = require "kit.suggest"

local M = {}

--- Whether a call may cost something.
---@param manifest table as kit.manifest gives it
---@param declared table its [operation.NAME]
---@return boolean
function M.may(manifest, declared)
  local estimate = declared.estimate or {}
  if (estimate.usd or 0) > 0 or (estimate.tokens or 0) > 0 then return true end
  if manifest.extension.type == "instrument" then return true end
  local capabilities = manifest.capabilities
  local reaches = #(capabilities.net or {}) > 0 or #(capabilities.secrets or {}) > 0
  return declared.effects == "external" and reaches
end

--- Whether code that never ran could have a function `estimate`: its name stands in one of the files.
---@param sources table<string, string>
---@return boolean
function M.mentions(sources)
  for path, text in pairs(sources or {}) do
    if path:match("%.lua$") and text:find("%f[%w_]estimate%f[^%w_]") then return true end
  end
  return false
end

--- Why a budget names a task that is not there.
---@param definition table
---@param budget table?
---@return Problem?
function M.misplaced(definition, budget)
  local keys, known = {}, {}
  for i, task in ipairs(definition.tasks) do keys[i], known[task.key] = task.key, true end
  for key in pairs(budget and budget.tasks or {}) do
    if not known[key:match "^[^/]*"] then
      return problem.new("usage", ("--budget: %s has no task `%s`"):format(definition.name, key),
        { hint = suggest.hint(key, keys) or ("symphony melody show %s   lists its tasks"):format(definition.name) })
    end
  end
  return nil
end

--- Why a run may not start under a budget of its own: an operation may spend and does not say how much.
---@param prepared Prepared
---@param budget table?
---@return Problem?
function M.refuse(prepared, budget)
  local found
  if not budget or not (budget.usd_micro or budget.tokens) then return nil end
  definition_of.each_target(prepared.definition, function(target)
    local operation = not found and target.operation and prepared.ops(target.operation)
    local units = operation and estimates.unknown(operation, budget) or {}
    if units[1] then
      found = problem.new("budget_exceeded",
        ("--budget limits %s, and `%s` does not say what it may use"):format(units[1], target.operation),
        { hint = estimates.hint(units) })
    end
  end)
  return found
end

return M
