--- Turns what a melody's author writes into plain data: handles become {"$ref"}, {"$param"}, functions become
--- their place in the source with what they capture. Runs inside a melody's isolate.
local handle = require "melody.handle"
local json = require "json"
local native = require "melody.native"

local M = {}

local MAX_DEPTH = 64
local SCALAR = { string = true, number = true, boolean = true }
local array_mark = getmetatable(json.array({}))
local made = setmetatable({}, { __mode = "k" }) -- forms of docs/definition.md that this module made itself

native.own()

local function reference(d)
  local form = { [d.kind == "param" and "$param" or "$ref"] = json.array(d.path) }
  if d.edge then form.edge = d.edge end
  if d.absent ~= nil then form.absent = d.absent end
  return form
end

--- Whether a table is a list, a map or neither; refuses what no JSON value can be.
local function shape(value, what)
  local count, strings = 0, 0
  for key in next, value do
    count = count + 1
    if type(key) == "string" then strings = strings + 1 end
    if type(key) == "table" and handle.details(key) then
      handle.fail(("%s uses `%s` as a key"):format(what, handle.name(key)),
                  "references stand for values, never for keys")
    end
  end
  if count == 0 then return array_mark ~= nil and rawequal(getmetatable(value), array_mark) and "list" or "map" end
  if strings == count then return "map" end
  if strings == 0 and rawlen(value) == count then return "list" end
  handle.fail(what .. " is neither a list 1..n nor a map with names", "split it into two tables")
end

local function plain(value, what, depth, seen, allow)
  local kind = type(value)
  if value == nil or kind == "boolean" or kind == "number" or kind == "string" then return value end
  if kind == "userdata" and rawequal(value, json.null) then return value end
  local d = handle.details(value)
  if d or made[value] then return allow(value, d) end
  if kind ~= "table" then
    handle.fail(("%s is a %s, which cannot be stored"):format(what, kind),
                kind == "function" and "functions stand in `when` and in the function of each" or nil)
  end
  local mark = getmetatable(value)
  if mark ~= nil and not rawequal(mark, array_mark) then
    handle.fail(what .. " is an object with a metatable, which cannot be stored", "use plain data")
  end
  if seen[value] then handle.fail(what .. " contains itself") end
  if depth > MAX_DEPTH then handle.fail(("%s is nested deeper than %d"):format(what, MAX_DEPTH)) end
  seen[value] = true
  local copy, list = {}, shape(value, what) == "list"
  for key, item in next, value do
    if SCALAR[type(item)] then
      copy[key] = item
    else
      copy[key] = plain(item, what .. (list and ("[%d]"):format(key) or "." .. key), depth + 1, seen, allow)
    end
  end
  seen[value] = nil
  return list and json.array(copy) or copy
end

local DOLLAR = ("$"):byte()

--- A map that has a key with a leading `$` is data of the user's own: {"$literal": …} says so.
local function escape(value)
  if type(value) ~= "table" or made[value] then return value end
  local literal = false
  for key, item in next, value do
    if type(key) == "string" and key:byte(1) == DOLLAR then literal = true end
    if type(item) == "table" then value[key] = escape(item) end
  end
  return literal and { ["$literal"] = value } or value
end

--- Marks a table as one of the forms of docs/definition.md.
function M.form(value)
  made[value] = true
  return value
end

local function as_reference(value, d)
  if d and d.kind == "own" then
    handle.fail(("`%s` stands for a task's own output"):format(handle.name(value)),
                "only what undoes the task sees it: compensate = { operation, { id = melody.own.id } }")
  end
  return d and M.form(reference(d)) or value
end

--- A value of an input, list or output, with references in their JSON form.
---@param value any
---@param what string names it in errors, such as "input of `diff`"
---@param owner? string the key of the task that melody.own stands for
function M.encode(value, what, owner)
  local function own(form, d)
    if not d or d.kind ~= "own" then return as_reference(form, d) end
    local path = table.move(d.path, 1, #d.path, 1, {})
    path[1] = owner
    return M.form { ["$ref"] = json.array(path) }
  end
  return escape(plain(value, what, 1, {}, owner and own or as_reference))
end

--- A value without any reference.
---@param value any
---@param what string
---@param hint? string what to do about a reference
function M.plain(value, what, hint)
  return plain(value, what, 1, {}, function(form, d)
    local name = d and handle.name(form) or "text{…}"
    handle.fail(("%s holds `%s`, which has no value before the melody runs"):format(what, name), hint)
  end)
end

local function captures(info, what)
  local found = {}
  for _, upvalue in ipairs(info.upvalues) do
    local name, value = upvalue.name, upvalue.value
    local d = handle.details(value)
    if d and d.kind == "param" then
      handle.fail(("%s captures the parameter `%s`"):format(what, name),
                  ("write params.%s inside the function"):format(d.path[1]))
    elseif d then
      handle.fail(("%s captures `%s`, the task `%s`"):format(what, name, d.path[1]),
                  ('write tasks["%s"] inside the function: it is the task\'s output there'):format(d.path[1]))
    elseif name ~= "_ENV" and (type(value) == "function" or type(value) == "thread") then
      handle.fail(("%s captures `%s`, a %s"):format(what, name, type(value)),
                  "only plain data is stored with a function; write the helper inside it")
    elseif name ~= "_ENV" then
      found[name] = M.plain(value, ("the captured `%s`"):format(name))
    end
  end
  return found
end

--- A function as {"$function": {first, chunk, captures}} for the host to cut out of the source; a string as it is.
---@param fn function|string
---@param what string
function M.callable(fn, what)
  if type(fn) == "string" then return fn end
  if type(fn) == "table" and type(rawget(fn, "lua")) == "string" then return M.plain(fn, what) end
  if type(fn) ~= "function" then
    handle.fail(("%s is a %s, not a function"):format(what, handle.details(fn) and "reference" or type(fn)),
                "write a function, or its source as a string")
  end
  local info = native.funcinfo(fn)
  if not info or info.first < 1 then
    handle.fail(what .. " is a function of the library, which cannot be stored", "wrap it: function(item) return … end")
  end
  return { ["$function"] = { first = info.first, chunk = info.chunk, captures = captures(info, what) } }
end

local PART = "^%s*([%a_][%w_]*)(.-)%s*$"

--- The reference written in a template, such as "diff.files[1].path" or "params.base".
local function template_reference(text, template)
  local key, rest = text:match(PART)
  local path = { key }
  while key and rest ~= "" do
    local name, after = rest:match("^%.([%a_][%w_]*)(.*)$")
    local index, behind = rest:match("^%[(%d+)%](.*)$")
    if not name and not index then key = nil break end
    path[#path + 1] = name or math.tointeger(index)
    rest = after or behind
  end
  if not key then
    handle.fail(("`{%s}` is no reference in the text %q"):format(text, template),
                "write {task.field}; {{ and }} stand for braces")
  end
  if key ~= "params" then return M.form { ["$ref"] = json.array(path) } end
  if #path == 1 then handle.fail("`{params}` needs a name: {params.base}") end
  return M.form { ["$param"] = json.array(table.move(path, 2, #path, 1, {})) }
end

--- A template "… {key.path} …" as {"$text": […]}.
---@param template string
function M.text(template)
  if type(template) ~= "string" then
    handle.fail("text needs a string", 'such as m.text"Review {diff.stat}"')
  end
  local pieces, literal, at = {}, {}, 1
  while at <= #template do
    local stop = template:find("[{}]", at) or #template + 1
    literal[#literal + 1] = template:sub(at, stop - 1)
    local c, twice = template:sub(stop, stop), template:sub(stop, stop + 1)
    local inner = template:match("^{([^{}]*)}", stop)
    if twice == "{{" or twice == "}}" then
      literal[#literal + 1], at = c, stop + 2
    elseif inner then
      pieces[#pieces + 1] = table.concat(literal)
      pieces[#pieces + 1], literal, at = template_reference(inner, template), {}, stop + #inner + 2
    elseif c ~= "" then
      handle.fail(("a lone %s in the text %q"):format(c, template), "write it twice to mean the character")
    else
      at = stop
    end
  end
  pieces[#pieces + 1] = table.concat(literal)
  local kept = {}
  for _, piece in ipairs(pieces) do
    if piece ~= "" then kept[#kept + 1] = piece end
  end
  return M.form { ["$text"] = json.array(kept) }
end

return M
