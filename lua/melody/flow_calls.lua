--- The operations that the function of a flow names: the literal first arguments of run:call and run:map.
local lexer = require "melody.lexer"

local M = {}

local METHODS = { call = true, map = true }

--- The name of the first parameter of the function that begins at a token.
local function first_parameter(tokens, first)
  for i = first, #tokens - 1 do
    if tokens[i].text == "(" then return tokens[i + 1].kind == "name" and tokens[i + 1].text or nil end
  end
end

--- Calls `fn` with the name and the token of each literal, in the order of the text, until it returns true.
local function each(tokens, first, last, fn)
  local run = first_parameter(tokens, first)
  for i = first, run and last - 3 or 0 do
    local t = tokens[i]
    local field = i > first and (tokens[i - 1].text == "." or tokens[i - 1].text == ":")
    local calls = t.kind == "name" and t.text == run and tokens[i + 1].text == ":" and METHODS[tokens[i + 2].text]
    local at = calls and not field and (tokens[i + 3].text == "(" and i + 4 or i + 3)
    if at and tokens[at].kind == "string" and fn(tokens[at].text, at) then return end
  end
end

--- In the order of the text, each once.
---@param source string a function
---@return string[]
function M.of(source)
  local tokens, list, seen = lexer.tokens(source), {}, {}
  each(tokens or {}, 1, #(tokens or {}), function(name)
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end)
  return list
end

--- The token of the first literal that names an operation, in the file that holds the function.
---@param tokens melody.Token[] of the file
---@param source string text of the file
---@param fn string text of the function
---@param name string
---@return integer?
function M.find(tokens, source, fn, name)
  local from, to = source:find(fn:gsub("^function", ""), 1, true)
  if not from then return nil end
  local first, last, found = #tokens, 0, nil
  for i, t in ipairs(tokens) do
    if t.pos >= from and t.stop <= to then first, last = math.min(first, i), i end
  end
  each(tokens, first, last, function(called, at)
    found = called == name and at or nil
    return found
  end)
  return found
end

return M
