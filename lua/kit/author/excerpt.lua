--- The line of source that a problem of an extension is about, with the place below which a caret belongs.
local lexer = require "melody.lexer"

local M = {}

--- Line `number` of a text, without its end.
---@param source string
---@param number integer
---@return string?
function M.line(source, number)
  local at = 0
  for line in (source .. "\n"):gmatch "(.-)\r?\n" do
    at = at + 1
    if at == number then return line end
  end
  return nil
end

--- What the message quotes, as Lua does: `field 'x'`, `near 'x'`.
local function quoted(message)
  local name = message:match "%a+ '([%a_][%w_%.:]*)'" or message:match "near '(.-)'"
  return name and name:match "[^%.:]+$"
end

--- The token of a name in a line: first byte, length.
local function token(line, name)
  for _, one in ipairs(lexer.tokens(line) or {}) do
    if one.text == name and one.kind ~= "eof" then return one.pos, one.stop - one.pos + 1 end
  end
  local at = line:find(name, 1, true)
  if at then return at, #name end
end

--- Adds source_line, col and length to a problem whose file is one of the sources.
---@param why Problem
---@param sources table<string, string>
---@param file? string its name among the sources, when where.file has another
---@return Problem
function M.fill(why, sources, file)
  local source = why.where and sources[file or why.where.file or ""]
  local line = source and why.where.line and M.line(source, why.where.line)
  if not line then return why end
  local indent = #line:match "^%s*"
  why.source_line = line:sub(indent + 1):gsub("%s+$", "")
  local name = quoted(why.message)
  local first, length = nil, nil
  if name then first, length = token(line, name) end
  why.col = first and first - indent or 1
  why.length = length or math.max(1, #why.source_line)
  return why
end

--- "init.lua:3: text" → file, line, text.
---@param message string
---@return string?, integer?, string
function M.split(message)
  local file, line, rest = message:match "^([^\n:]+%.lua):(%d+): (.*)$"
  if not file then return nil, nil, message end
  return file, math.tointeger(tonumber(line)), rest
end

return M
