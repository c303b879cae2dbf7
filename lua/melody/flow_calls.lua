--- The operations that the function of a flow names: the literal first arguments of run:call and run:map.
local lexer = require "melody.lexer"

local M = {}

local METHODS = { call = true, map = true }

--- The name of the function's first parameter.
local function first_parameter(tokens)
  for i, t in ipairs(tokens) do
    if t.text == "(" then return tokens[i + 1].kind == "name" and tokens[i + 1].text or nil end
  end
end

--- In the order of the text, each once.
---@param source string a function
---@return string[]
function M.of(source)
  local tokens, list, seen = lexer.tokens(source), {}, {}
  local run = tokens and first_parameter(tokens)
  if not run then return list end
  for i, t in ipairs(tokens) do
    local calls = t.kind == "name" and t.text == run and tokens[i + 1].text == ":" and METHODS[tokens[i + 2].text]
    local at = calls and (tokens[i + 3].text == "(" and i + 4 or i + 3)
    local name = at and tokens[at].kind == "string" and tokens[at].text
    if name and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  return list
end

return M
