--- `if diff.files then` in a melody is always true: a handle has no value when the melody is written. No error can
--- be raised for it in Lua, so the source is read for it.
local lexer = require "melody.lexer"

local M = {}

local BEFORE = { ["if"] = true, ["elseif"] = true, ["while"] = true, ["until"] = true, ["not"] = true, ["and"] = true,
                 ["or"] = true }
local AFTER = { ["and"] = true, ["or"] = true, ["then"] = true }
local COMPARES = { ["=="] = true, ["~="] = true }
local VERBS = { task = true, each = true, loop = true, ask = true, sub = true, param = true }

--- The locals that hold handles: NAME = m:task(…).
local function handles_of(tokens)
  local found = {}
  for i = 1, #tokens - 5 do
    local t = tokens
    if t[i].kind == "name" and t[i + 1].text == "=" and t[i + 2].kind == "name" and t[i + 3].text == ":"
       and VERBS[t[i + 4].text] and t[i + 5].text == "(" then
      found[t[i].text] = true
    end
  end
  return found
end

--- The index of the last token of `name.field[1]…` that starts at i.
local function chain_end(tokens, i)
  while true do
    local after = tokens[i + 1].kind == "op" and tokens[i + 1].text or ""
    if after == "." and tokens[i + 2].kind == "name" then
      i = i + 2
    elseif after == "[" then
      i = lexer.closing(tokens, i + 1) or i
      if tokens[i].text ~= "]" then return i end
    else
      return i
    end
  end
end

local function is_field(tokens, i)
  local before = tokens[i - 1]
  return before and before.kind == "op" and (before.text == "." or before.text == ":")
end

local function warn(context, file, source, tokens, first, last)
  local text = source:sub(tokens[first].pos, tokens[last].stop)
  local line, column = lexer.line_at(source, tokens[first].pos)
  local made = context.report("melody_invalid", nil, ("`%s` is tested here, but it has no value yet"):format(text), {
    severity = "warning", file = file, line = tokens[first].line,
    hint = ('as a condition of a task it works: when = "%s"'):format(text),
  })
  local indent = #line:match("^%s*")
  made.source_line, made.col, made.length = line:sub(indent + 1), column - indent, #text
end

local function tested(tokens, first, last)
  local before, after = tokens[first - 1], tokens[last + 1]
  local word = before and before.kind == "keyword" and BEFORE[before.text]
               or before and before.kind == "op" and COMPARES[before.text]
  if word and not (after.kind == "op" and (after.text == ":" or after.text == "(")) then return true end
  return after.kind == "keyword" and AFTER[after.text] or after.kind == "op" and COMPARES[after.text] or false
end

local function scan(context, file, source)
  local tokens = lexer.tokens(source)
  if not tokens then return end
  local handles, i = handles_of(tokens), 1
  while tokens[i].kind ~= "eof" do
    local t = tokens[i]
    if t.kind == "keyword" and t.text == "function" then
      i = lexer.closing(tokens, i) or i -- its names mean other things when it runs
    elseif t.kind == "name" and handles[t.text] and not is_field(tokens, i) then
      local last = chain_end(tokens, i)
      if tested(tokens, i, last) then warn(context, file, source, tokens, i, last) end
      i = last
    end
    i = i + 1
  end
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  local files = {}
  for file in pairs(context.sources) do files[#files + 1] = file end
  table.sort(files)
  for _, file in ipairs(files) do
    if not file:find("%.json$") then scan(context, file, context.sources[file]) end
  end
end

return M
