--- Finds what a definition refers to: tasks and parameters in values, names in functions; and the edges they make.
local json = require "sy.json"
local lexer = require "melody.lexer"
local verbs = require "melody.verbs"

local M = {}

--- The form a table is, or nil: "$ref", "$param", "$text" or "$literal".
---@param value any
---@return string? form
---@return any content
function M.form(value)
  if type(value) ~= "table" or value == json.null then return nil end
  for _, name in ipairs { "$ref", "$param", "$text", "$literal" } do
    local content = rawget(value, name)
    if content ~= nil then return name, content end
  end
end

--- Calls `fn(form, content, value, path)` for every form in a value; the path leads to it from the top.
---@param value any
---@param fn fun(form: string, content: any, value: table, path: (string|integer)[])
---@param path? (string|integer)[]
function M.walk(value, fn, path)
  if type(value) ~= "table" then return end
  path = path or {}
  local form, content = M.form(value)
  if form then fn(form, content, value, path) end
  local inner = form == "$text" and content or not form and value or nil
  if type(inner) ~= "table" then return end
  local keys = {}
  for key, item in pairs(inner) do
    if type(item) == "table" then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local below = table.move(path, 1, #path, 1, {})
    if not form then below[#below + 1] = key end
    M.walk(inner[key], fn, below)
  end
end

--- Every value of a task that may hold references, with its name for messages. `own`: it may refer to the task itself.
---@param task table
---@return { name: string, value: any, own: boolean? }[]
function M.values(task)
  local list, options = {}, task.options or {}
  for _, name in ipairs(verbs.of(task).values) do list[#list + 1] = { name = name, value = task[name] } end
  for i, target in ipairs(options.fallback or {}) do
    if target.input ~= nil then list[#list + 1] = { name = ("fallback[%d]"):format(i), value = target.input } end
  end
  if options.key ~= nil then
    local named = type(options.key) == "table" and options.key.name
    list[#list + 1] = { name = "key", value = named or options.key }
  end
  if options.compensate then
    list[#list + 1] = { name = "compensate", value = options.compensate.input, own = true }
  end
  return list
end

--- Every function of a task, with its name for messages.
---@param task table
---@return { name: string, fn: table }[]
function M.functions(task)
  local list = {}
  if task.options and task.options.when then list[#list + 1] = { name = "when", fn = task.options.when } end
  for _, name in ipairs(verbs.of(task).functions) do
    if task[name] then list[#list + 1] = { name = name, fn = task[name] } end
  end
  return list
end

--- Names that a function binds itself: its parameters, its locals, its loop variables.
local function bound_names(tokens)
  local bound = {}
  for i, t in ipairs(tokens) do
    local binds = t.kind == "keyword" and (t.text == "local" or t.text == "for" or t.text == "function")
    local at = i + 1
    if binds and t.text == "function" then
      while tokens[at].kind ~= "eof" and tokens[at].text ~= "(" do at = at + 1 end
      at = at + 1
    end
    while binds and tokens[at] and (tokens[at].kind == "name" or tokens[at].text == ",") do
      if tokens[at].kind == "name" then bound[tokens[at].text] = true end
      at = at + 1
    end
  end
  return bound
end

--- Whether the name at token `i` is a variable, not a field or a key of a table constructor.
local function is_variable(tokens, i)
  local before, after = tokens[i - 1], tokens[i + 1]
  if before and before.kind == "op" and (before.text == "." or before.text == ":") then return false end
  local key = before and (before.text == "{" or before.text == "," or before.text == ";") and after.text == "="
  return not key
end

--- The names a function or expression reads as globals: task keys among them, and those of tasks["key"].
---@param fn { lua: string, captures: table }
---@return table<string, boolean> names
---@return table<string, boolean> params those read as params.NAME
function M.globals(fn)
  local tokens = lexer.tokens(fn.lua)
  local names, params = {}, {}
  if not tokens then return names, params end
  local bound = bound_names(tokens)
  for i, t in ipairs(tokens) do
    if t.kind == "name" and is_variable(tokens, i) and not bound[t.text] and fn.captures[t.text] == nil then
      local dot, inner = tokens[i + 1], tokens[i + 2]
      local field = (dot.text == "." or dot.text == "[") and inner and inner.kind ~= "op" and inner.text or nil
      if t.text == "tasks" and field then
        names[field] = true
      elseif t.text == "params" and field then
        params[field] = true
      else
        names[t.text] = true
      end
    end
  end
  return names, params
end

--- The edges into a task: key of the predecessor → "hard" | "soft" | "optional", the strongest of several.
---@param task table
---@param known table<string, any> the keys of all tasks
---@return table<string, string>
function M.edges(task, known)
  local strength = { optional = 1, soft = 2, hard = 3 }
  local default = task.options and task.options.edge or "hard"
  local found = {}
  local function add(key, kind)
    if known[key] and (not found[key] or strength[found[key]] < strength[kind]) then found[key] = kind end
  end
  for _, item in ipairs(M.values(task)) do
    M.walk(item.value, function(form, content, value)
      local own = item.own and content[1] == task.key
      if form == "$ref" and not own then add(content[1], value.edge or default) end
    end)
  end
  for _, item in ipairs(M.functions(task)) do
    for name in pairs(M.globals(item.fn)) do
      if name ~= task.key and not found[name] then add(name, default) end
    end
  end
  for _, key in ipairs(task.options and task.options.after or {}) do add(key, "hard") end
  return found
end

return M
