--- Where in the text of a manifest a problem is: its line, that line's text, and what in it the caret stands below.
local problem = require "kit.problem"

local M = {}

--- Line `number` of a text, without its end; "" where there is none.
local function line_at(text, number)
  local from = 1
  for _ = 2, number do
    local stop = text:find("\n", from, true)
    if not stop then return "" end
    from = stop + 1
  end
  return text:sub(from, (text:find("\n", from, true) or #text + 1) - 1):gsub("\r$", "")
end

local function last_name(path)
  return path:gsub("%[%d+%]$", ""):match "[^%.]+$" or path
end

--- A value as it may stand in the line: what is looked for, and how long it is.
local function find_value(line, value, from)
  local text = type(value) == "string" and value or type(value) == "number" and tostring(value)
    or type(value) == "boolean" and tostring(value)
  if not text or text == "" then return nil end
  local at = line:find(text, from, true)
  if not at and math.type(value) == "float" then
    text = tostring(math.tointeger(value) or value)
    at = line:find(text, from, true)
  end
  return at, at and #text
end

--- The first byte and the length of what is wrong in a line: the value, else the key.
local function find(line, path, value)
  local name = last_name(path)
  local key = line:find(name, 1, true)
  local at, length = find_value(line, value, key and key + #name or 1)
  if at then return at, length end
  return key, key and #name
end

--- Adds source_line, col and length to a problem. A line that is no readable text is not shown.
---@param why Problem
---@param text? string the manifest
---@param path? string "capabilities.memory"
---@param value? any what it is, where the problem is with that
---@return Problem
function M.show(why, text, path, value)
  local line = text and why.where.line and line_at(text, why.where.line)
  if not line or not utf8.len(line) or line:find "^%s*$" or #line > 10000 then return why end
  local indent = #line:match "^%s*"
  local at, length
  if path then at, length = find(line, path, value) end
  why.source_line = line:sub(indent + 1)
  if at and at > indent then
    why.col, why.length = at - indent, utf8.len(line, at, math.min(#line, at + length - 1)) or 1
  end
  return why
end

--- As that, for a column counted in characters.
---@param why Problem
---@param text string
---@param column integer
---@return Problem
function M.show_column(why, text, column)
  M.show(why, text)
  local line = why.source_line
  if not line then return why end
  local indent = #line_at(text, why.where.line):match "^%s*"
  local at = column - indent
  if at >= 1 and at <= utf8.len(line) then why.col, why.length = utf8.offset(line, at), 1 end
  return why
end

--- Whether a column lies behind the last character of a line.
local function is_line_end(text, line, column)
  local shown = line_at(text, math.tointeger(tonumber(line)))
  return column and math.tointeger(tonumber(column)) > (utf8.len(shown) or #shown)
end

--- What the parser of TOML said, at its place.
---@param failure any what sy.toml.decode gave
---@param text string
---@param file string for messages
---@return Problem
function M.syntax(failure, text, file)
  local why = problem.from(failure)
  local line, column, said = why.message:match "^line (%d+), column (%d+): (.*)$"
  if not line then line, said = why.message:match "^line (%d+): (.*)$" end
  local hint = why.message:find("redefine", 1, true) and "a key or table may be there once: take one of the two away"
    or "docs/reference/manifest.md has every key; the rest is TOML 1.0"
  if said and said:find("control characters", 1, true) and is_line_end(text, line, column) then
    said, hint = "a text that is not closed on its line", "close it; one of several lines stands between three quotes"
  end
  local made = problem.new("manifest_invalid", said or why.message,
    { file = file, line = math.tointeger(tonumber(line)) or why.where.line, hint = hint })
  return column and M.show_column(made, text, math.tointeger(tonumber(column))) or M.show(made, text)
end

return M
