--- Splits Lua source into tokens with their places, enough to find functions, calls and fields in a melody.
--- It accepts what Lua's own parser has accepted before; on other text it stops with a message and a line.
local M = {}

---@class melody.Token
---@field kind "name"|"keyword"|"string"|"number"|"op"|"eof"
---@field text string what stands in the source; of a string its content
---@field line integer from 1
---@field pos integer first byte in the source, from 1
---@field stop integer last byte

local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
             .. "until while"):gmatch("%S+") do
  KEYWORDS[word] = true
end

local ESCAPES = { n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", f = "\f", v = "\v" }
local OPENS = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

local function count_lines(text)
  local _, n = text:gsub("\n", "")
  return n
end

--- The content and the end of a long bracket that starts at `pos`; nil when there is none.
local function long_bracket(source, pos)
  local equals = source:match("^%[(=*)%[", pos)
  if not equals then return nil end
  local first = pos + #equals + 2
  local a, b = source:find("]" .. equals .. "]", first, true)
  if not a then return nil, "unfinished long bracket" end
  return source:sub(first, a - 1):gsub("^\r?\n", "", 1), b
end

local function short_string(source, pos)
  local quote = source:sub(pos, pos)
  local at = pos + 1
  while true do
    local stop = source:find("[\\\n" .. quote .. "]", at)
    if not stop then return nil, "unfinished string" end
    local c = source:sub(stop, stop)
    if c == quote then
      local raw = source:sub(pos + 1, stop - 1)
      return (raw:gsub("\\(.)", function(e) return ESCAPES[e] or e end)), stop
    elseif c == "\n" then
      return nil, "unfinished string"
    end
    at = stop + 2
    if source:sub(stop + 1, stop + 1) == "z" then at = source:find("%S", at) or at end
  end
end

--- Skips blanks and comments; gives the position after them.
local function skip(source, pos)
  while true do
    pos = source:find("%S", pos) or #source + 1
    if source:sub(pos, pos + 1) ~= "--" then return pos end
    local _, stop = long_bracket(source, pos + 2)
    if type(stop) == "number" then
      pos = stop + 1
    else
      pos = (source:find("\n", pos, true) or #source) + 1
    end
  end
end

local function number_at(source, pos)
  local hex = source:match("^0[xX][%x%.]*[pP]?[+-]?%d*", pos)
  if hex and not hex:find("[pP]") then hex = source:match("^0[xX][%x%.]*", pos) end
  return hex or source:match("^%d*%.?%d*[eE][+-]?%d+", pos) or source:match("^%d*%.?%d*", pos)
end

local function operator_at(source, pos)
  local three = source:sub(pos, pos + 2)
  if three == "..." then return three end
  local two = source:sub(pos, pos + 1)
  if ("== ~= <= >= // :: << >> .."):find(two, 1, true) and #two == 2 and not two:find("%s") then return two end
  return source:sub(pos, pos)
end

--- Reads one token; kind, text, last byte, or nil and why not.
local function read(source, pos)
  local word = source:match("^[%a_][%w_]*", pos)
  if word then return KEYWORDS[word] and "keyword" or "name", word, pos + #word - 1 end
  local c = source:sub(pos, pos)
  if c:find("%d") or source:find("^%.%d", pos) then
    local text = number_at(source, pos)
    return "number", text, pos + #text - 1
  elseif c == '"' or c == "'" then
    local text, stop = short_string(source, pos)
    if not text then return nil, stop end
    return "string", text, stop
  end
  local text, stop = long_bracket(source, pos)
  if text then return "string", text, stop end
  if stop then return nil, stop end
  local op = operator_at(source, pos)
  return "op", op, pos + #op - 1
end

--- All tokens of a source, ended by one of kind "eof".
---@param source string
---@return melody.Token[]? tokens
---@return string? message
---@return integer? line
function M.tokens(source)
  local tokens, line, seen = {}, 1, 1
  local pos = skip(source, source:match("^#![^\n]*()") or 1)
  while true do
    line, seen = line + count_lines(source:sub(seen, pos - 1)), pos
    if pos > #source then break end
    local kind, text, stop = read(source, pos)
    if not kind then return nil, text, line end
    tokens[#tokens + 1] = { kind = kind, text = text, line = line, pos = pos, stop = stop }
    pos = skip(source, stop + 1)
  end
  tokens[#tokens + 1] = { kind = "eof", text = "", line = line, pos = #source + 1, stop = #source }
  return tokens
end

--- The index of the token that closes the block or bracket opened at `first`; nil when it stays open.
---@param tokens melody.Token[]
---@param first integer index of `function`, `(`, `{` or `[`
---@return integer?
function M.closing(tokens, first)
  local depth = 0
  for i = first, #tokens do
    local t = tokens[i]
    if t.kind == "keyword" then
      depth = depth + (OPENS[t.text] and 1 or 0) - (CLOSES[t.text] and 1 or 0)
    elseif t.kind == "op" then
      if t.text:find("^[%(%{%[]$") then depth = depth + 1 end
      if t.text:find("^[%)%}%]]$") then depth = depth - 1 end
    end
    if depth == 0 then return i end
  end
  return nil
end

--- The index of the `(` that opens the parameters of the function at token `i`, and whether it is a method.
local function parameters(tokens, i)
  local method = false
  for at = i + 1, #tokens do
    local t = tokens[at]
    if t.text == "(" and t.kind == "op" then return at, method end
    if t.text == ":" then method = true end
  end
end

--- The text `function(…) … end` of the function that begins on a line.
---@param source string
---@param tokens melody.Token[]
---@param first integer the line on which it begins
---@return string? text
---@return string? why it cannot be taken
function M.function_text(source, tokens, first)
  local found, open
  for i, t in ipairs(tokens) do
    if t.kind == "keyword" and t.text == "function" then
      local at, method = parameters(tokens, i)
      if at and tokens[at].line == first then
        if found then return nil, "two functions begin on this line" end
        if method then return nil, "a method cannot be stored" end
        found, open = i, at
      end
    end
  end
  local last = found and M.closing(tokens, found)
  if not last then return nil, "the function was not found in the source" end
  return "function" .. source:sub(tokens[open].pos, tokens[last].stop)
end

--- The whole line that contains a byte, and the byte's column from 1.
---@param source string
---@param pos integer
---@return string line
---@return integer column
function M.line_at(source, pos)
  local head = source:sub(1, pos - 1)
  local start = #head - #head:match("[^\n]*$") + 1
  return source:match("[^\r\n]*", start), pos - start + 1
end

return M
