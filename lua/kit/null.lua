--- What is not there: nil in Lua, `json.null` in rows and documents.
local json = require "sy.json"

local M = {}

--- Whether there is nothing.
---@param value any
---@return boolean
function M.is(value)
  return value == nil or value == json.null
end

--- Whether there is something; false is.
---@param value any
---@return boolean
function M.present(value)
  return value ~= nil and value ~= json.null
end

--- The value for a document, where nil would leave the field out.
---@param value any
---@return any
function M.of(value)
  if value == nil then return json.null end
  return value
end

--- The value for Lua: nil when there is nothing.
---@param value any
---@return any
function M.to_nil(value)
  if value == json.null then return nil end
  return value
end

--- The table of a JSON column; an empty one when there is none.
---@param text any
---@return table
function M.object(text)
  local value = type(text) == "string" and json.decode(text) or nil
  return type(value) == "table" and value or {}
end

return M
