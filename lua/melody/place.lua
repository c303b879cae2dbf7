--- Finds in a melody's source what a problem is about, so that it can be shown with a caret below it.
local flow_calls = require "melody.flow_calls"
local lexer = require "melody.lexer"

local M = {}

local cache = setmetatable({}, { __mode = "k" }) -- sources table → file → tokens

local function tokens_of(sources, file)
  local known = cache[sources] or {}
  cache[sources] = known
  if known[file] == nil then known[file] = lexer.tokens(sources[file]) or false end
  return known[file] or nil
end

--- The token range of the call that adds a task: from its key to the closing bracket.
local function call_range(tokens, task, line)
  for i = 2, #tokens - 1 do
    local t = tokens[i]
    if t.kind == "string" and t.text == task and (not line or t.line >= line) and tokens[i - 1].text == "(" then
      return i, lexer.closing(tokens, i - 1) or #tokens
    end
  end
end

--- The last token of the value that starts at i: up to a comma or bracket of its own level.
local function value_end(tokens, i, last)
  while i <= last do
    local t = tokens[i]
    if t.kind == "op" and t.text:find("^[%(%{%[]$") or t.kind == "keyword" and t.text == "function" then
      i = (lexer.closing(tokens, i) or last)
    elseif t.kind == "op" and t.text:find("^[,;%)%}%]]$") then
      return i - 1
    end
    i = i + 1
  end
  return last
end

--- The field `name = value` within a range: index of the name, first and last token of the value.
local function field(tokens, first, last, name)
  for i = first, last - 1 do
    local t = tokens[i]
    local plain = t.kind == "name" and tokens[i + 1].text == "=" and i + 2
    local quoted = t.kind == "string" and tokens[i - 1].text == "[" and tokens[i + 1].text == "]" and i + 3
    local start = t.text == name and (plain or quoted)
    if start then return i, start, value_end(tokens, start, last) end
  end
end

--- The argument of a number of a call whose key is token `first`, from 1 (the key itself).
local function argument(tokens, first, last, number)
  for _ = 2, number do
    first = value_end(tokens, first, last) + 2
    if first > last then return nil end
  end
  return first, value_end(tokens, first, last)
end

--- The range a path leads to, as deep as it can be followed: name token (or nil), first, last.
local function follow(tokens, first, last, path)
  local name
  if path[1] == "list" then
    local a, b = argument(tokens, first, last, 2)
    if a then first, last = a, b end
  end
  for _, part in ipairs(path) do
    if type(part) == "string" and part ~= "list" then
      local at, a, b = field(tokens, first, last, part)
      if not at then break end
      name, first, last = at, a, b
    end
  end
  return name, first, last
end

--- The last token of a text in a range; a string that contains it counts.
local function find_text(tokens, first, last, text)
  local inside
  for i = last, first, -1 do
    local t = tokens[i]
    if t.text == text then return t.pos + (t.kind == "string" and 1 or 0), #text end
    if t.kind == "string" and not inside then
      local at = t.text:find(text, 1, true)
      inside = at and { t.pos + at, #text }
    end
  end
  if inside then return inside[1], inside[2] end
end

--- Start of the excerpt (nil: of its line), the caret, its length, as bytes of the source; the last token.
local function locate(tokens, first, last, target)
  local name, from, to = nil, first, last
  local path = target.path or target.option and { target.option }
  if path then name, from, to = follow(tokens, first, last, path) end
  local start = tokens[name or from].pos
  local needle = target.part or target.text
  if needle then
    local pos, length = find_text(tokens, from, to, needle)
    if not pos and name and tokens[name].text == needle then pos, length = tokens[name].pos, #needle end
    if pos then return { start = name and start, caret = pos, length = length, to = to } end
  end
  if not path or not name and path[1] ~= "list" then return nil end
  local caret = target.option and name or from
  local stop = target.option and tokens[caret].stop or tokens[to].stop
  return { start = name and start, caret = tokens[caret].pos, length = stop - tokens[caret].pos + 1, to = to }
end

--- The name of an operation within the function of a flow, `target.fn`.
local function locate_call(tokens, source, target)
  local at = flow_calls.find(tokens, source, target.fn, target.text)
  if not at then return nil end
  local first, last = source:find(target.text, tokens[at].pos, true)
  if not first or last > tokens[at].stop then first, last = tokens[at].pos, tokens[at].stop end -- it has escapes
  return { caret = first, length = last - first + 1, to = at }
end

--- The excerpt starts at a field's name and ends with its value; else it is the whole line. It never spans lines.
local function excerpt(p, source, tokens, range)
  local line, column = lexer.line_at(source, range.caret)
  local first = range.caret - column + 1
  local last = first + #line - 1
  local from, stop = first + #line:match("^%s*"), last
  if range.start then
    from, stop = math.max(range.start, from), math.min(tokens[range.to].stop, last)
  end
  p.source_line = source:sub(from, stop)
  p.col = range.caret - from + 1
  p.length = math.max(1, math.min(range.length, from + #p.source_line - range.caret))
  local _, lines = source:sub(1, range.caret - 1):gsub("\n", "")
  p.where.line = lines + 1
end

local function whole_line(p, source)
  local number = 0
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    if number == p.where.line then
      p.source_line = line:match("^%s*(.-)%s*$")
      return
    end
  end
end

--- Adds source_line, col and length to a problem where its source is known.
---@param p melody.Problem
---@param definition table?
---@param sources table<string, string>
function M.fill(p, definition, sources)
  local file = p.where.file or definition and definition.source
  local source = file and sources[file]
  if not source or p.source_line then return end
  local tokens = p.target and p.where.task and tokens_of(sources, file)
  local range
  if tokens and p.target.fn then
    range = locate_call(tokens, source, p.target)
  elseif tokens then
    local first, last = call_range(tokens, p.where.task, p.where.line)
    range = first and locate(tokens, first, last, p.target)
  end
  if range then
    excerpt(p, source, tokens, range)
  else
    whole_line(p, source)
  end
end

return M
