--- Text with holes, as Mustache has it: no code in a template, so it can come from anyone.
---
---   {{name}}  {{a.b}}  {{.}}     a value, escaped; nothing when it is absent
---   {{{name}}}  {{&name}}        a value as it is
---   {{#name}}…{{/name}}          for each item of a list; once for a table or a true value, inside of it
---   {{^name}}…{{/name}}          when it is absent, false or an empty list
---   {{! a comment }}
---
--- A line that holds nothing but a section tag or a comment leaves no empty line behind.

local M = {}

local ENTITIES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}
local MAX_DEPTH = 64

--- Text that is safe between tags and inside of quoted attributes of HTML.
---@param text any
---@return string
function M.escape(text) return (tostring(text):gsub("[&<>\"']", ENTITIES)) end

local function as_is(text) return tostring(text) end

local function line_of(text, at)
  local _, count = text:sub(1, at - 1):gsub("\n", "")
  return count + 1
end

--- Whether the tag between `from` and `to` stands alone on its line; then where that line starts and ends.
local function alone(text, from, to)
  local before = text:sub(1, from - 1):match "()[ \t]*$"
  local after = text:match("^[ \t]*\r?\n()", to + 1) or (text:match("^[ \t]*()$", to + 1))
  if after and (before == 1 or text:sub(before - 1, before - 1) == "\n") then return before, after end
end

--- The next tag from `at`: kind, name, where it starts, where the text goes on; nil: none; false: not closed.
local function next_tag(text, at)
  local from = text:find("{{", at, true)
  if not from then return nil end
  local kind = text:sub(from + 2, from + 2)
  local close = kind == "{" and "}}}" or "}}"
  local shut = text:find(close, from + 2, true)
  if not shut then return false, nil, from end
  if not kind:find "[{&#^/!]" then kind = "" end
  local name = text:sub(from + 2 + #kind, shut - 1):match "^%s*(.-)%s*$"
  return kind, name, from, shut + #close
end

local function problem(text, at, what, ...)
  return nil, ("line %d: " .. what):format(line_of(text, at), ...), "invalid_value"
end

local function valid_name(name) return name == "." or name:find "^[%w_-]+[%w_.-]*$" and not name:find("..", 1, true) end

--- Parses until the end of `section` (nil: of the text): a list of strings and {kind, name, [list]}.
local function parse(text, at, section, opened, depth)
  local nodes = {}
  local function add(from, to) if to >= from then nodes[#nodes + 1] = text:sub(from, to) end end
  if depth > MAX_DEPTH then return problem(text, opened, "sections are nested too deeply") end
  while true do
    local kind, name, from, after = next_tag(text, at)
    if kind == nil then
      if section then return problem(text, opened, "`%s` is not closed", section) end
      add(at, #text)
      return nodes, #text + 1
    end
    if kind == false then return problem(text, from, "a tag is not closed") end
    if kind ~= "!" and not valid_name(name) then return problem(text, from, "`%s` is no name", name) end
    local first, last = from, after
    if kind:find "[#^/!]" then
      local line_start, line_end = alone(text, from, after - 1)
      if line_start and line_start >= at then first, last = line_start, line_end end
    end
    add(at, first - 1)
    at = last
    if kind == "/" then
      if name ~= section then return problem(text, from, "`%s` is closed but was not opened", name) end
      return nodes, at
    elseif kind == "#" or kind == "^" then
      local inner, next_at, code = parse(text, at, name, from, depth + 1)
      if not inner then return nil, next_at, code end
      nodes[#nodes + 1] = {kind = kind, name = name, inner = inner}
      at = next_at
    elseif kind ~= "!" then
      nodes[#nodes + 1] = {kind = kind, name = name}
    end
  end
end

--- The value of a dotted name, looked for from the innermost table outwards.
local function lookup(stack, name)
  if name == "." then return stack[#stack] end
  local first, rest = name:match "^([^.]+)%.?(.*)$"
  for i = #stack, 1, -1 do
    local value = type(stack[i]) == "table" and rawget(stack[i], first)
    if type(stack[i]) == "table" and value ~= nil then
      for part in rest:gmatch "[^.]+" do
        if type(value) ~= "table" then return nil end
        local found = rawget(value, part)
        if found == nil then found = rawget(value, tonumber(part) or part) end
        value = found
      end
      return value
    end
  end
end

--- json.null, which is a light userdata, counts as absent.
local function is_empty(value)
  return value == nil or value == false or type(value) == "userdata" or type(value) == "table" and next(value) == nil
end

local function render(nodes, stack, escape, out)
  for _, node in ipairs(nodes) do
    if type(node) == "string" then
      out[#out + 1] = node
    else
      local value = lookup(stack, node.name)
      if node.kind == "" or node.kind == "{" or node.kind == "&" then
        if value ~= nil and type(value) ~= "userdata" then
          out[#out + 1] = (node.kind == "" and escape or as_is)(value)
        end
      elseif node.kind == "^" then
        if is_empty(value) then render(node.inner, stack, escape, out) end
      elseif not is_empty(value) then
        local list = type(value) == "table" and rawget(value, 1) ~= nil and value or {value}
        for _, item in ipairs(list) do
          stack[#stack + 1] = item
          render(node.inner, stack, escape, out)
          stack[#stack] = nil
        end
      end
    end
  end
end

--- Reads a template once, for many values.
---@param text string
---@param options? {escape?: "html"|"none"|fun(text: any): string} default "html"
---@return (fun(values: table): string)? fill
---@return string? message "line 3: what"
---@return string? code
function M.compile(text, options)
  local escape = options and options.escape or "html"
  if escape == "html" then escape = M.escape elseif escape == "none" then escape = as_is end
  if type(escape) ~= "function" then error("escape must be \"html\", \"none\" or a function", 2) end
  local nodes, message, code = parse(text, 1, nil, 1, 0)
  if not nodes then return nil, message --[[@as string]], code end
  return function (values)
    local out = {}
    render(nodes, {values}, escape, out)
    return table.concat(out)
  end
end

--- Fills a template.
---@param text string
---@param values table
---@param options? {escape?: "html"|"none"|fun(text: any): string}
---@return string? filled
---@return string? message
---@return string? code
function M.render(text, values, options)
  local fill, message, code = M.compile(text, options)
  if not fill then return nil, message, code end
  return fill(values)
end

return M
