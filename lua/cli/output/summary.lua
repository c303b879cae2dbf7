--- The words on a finished task's line: the output's own `summary`, else the template its operation declares.
---
--- A template such as "{#files} files +{stat.added}" takes parts of the output: {path} a value, {#path} the length
--- of a list, {path|word|words} a number with the fitting word. A part that is missing makes the text empty.
local json = require "sy.json"

local M = {}

local function part(value, path)
  for name in path:gmatch("[^%.]+") do
    if type(value) ~= "table" then return nil end
    value = value[math.tointeger(tonumber(name) or 0.5) or name]
  end
  return value
end

local function counted(text, one, many)
  if not one then return text end
  return ("%s %s"):format(text, text == "1" and one or many)
end

local function fill(output, expression)
  local path, one, many = expression:match("^(.-)|(.-)|(.*)$")
  path = path or expression
  local length = path:sub(1, 1) == "#"
  local value = part(output, length and path:sub(2) or path)
  if value == nil or value == json.null then return nil end
  if length then return type(value) == "table" and counted(tostring(#value), one, many) or nil end
  if type(value) == "table" then return nil end
  return counted(math.type(value) == "float" and ("%g"):format(value) or tostring(value), one, many)
end

--- Fills a template; nil when a part is missing.
---@param template string
---@param output any
---@return string?
function M.fill(template, output)
  local missing = false
  local text = template:gsub("{([^{}]+)}", function(expression)
    local filled = fill(output, expression)
    missing = missing or filled == nil
    return filled or ""
  end)
  if missing then return nil end
  return text
end

--- What a finished task says about its output.
---@param output any
---@param template? string
---@return string
function M.of(output, template)
  if type(output) == "table" and type(output.summary) == "string" then return output.summary end
  if template then return M.fill(template, output) or "" end
  return ""
end

return M
