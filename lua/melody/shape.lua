--- What reading a definition's parts shares: where problems go, and what a table is.
local problem = require "melody.problem"
local suggest = require "melody.suggest"

local M = {}

---@class melody.Reading
---@field problems melody.Problem[]
---@field file string?
---@field line integer? of what is read now
---@field task string? the key of the task that is read now

--- Whether a list has an item.
---@param list any[]
---@param item any
---@return boolean
function M.contains(list, item)
  for _, other in ipairs(list) do
    if other == item then return true end
  end
  return false
end

--- Adds a problem of what is read now; `fields` as those of problem.new.
---@param state melody.Reading
---@param message string
---@param fields? table
function M.report(state, message, fields)
  local where = { file = state.file, line = state.line, task = state.task }
  fields = fields or {}
  for key, value in pairs(where) do
    if fields[key] == nil then fields[key] = value end
  end
  state.problems[#state.problems + 1] = problem.new(fields.code or "melody_invalid", message, fields)
end

--- Reports the fields of a map that are not known.
---@param state melody.Reading
---@param value table
---@param known string[]
---@param what string names the map
function M.unknown_fields(state, value, known, what)
  local names = {}
  for key in pairs(value) do names[#names + 1] = tostring(key) end
  table.sort(names)
  for _, name in ipairs(names) do
    if not M.contains(known, name) then
      M.report(state, ("%s has no field `%s`"):format(what, name),
             { code = "unknown_field", note = suggest.phrase(name, known), target = { option = name } })
    end
  end
end

---@param value any
---@return boolean
function M.is_list(value)
  return type(value) == "table" and (next(value) == nil or #value > 0)
end

---@param value any
---@return boolean
function M.is_map(value)
  return type(value) == "table" and (next(value) == nil or #value == 0)
end

return M
