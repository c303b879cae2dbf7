--- The module `melody` as a melody's author sees it. Runs inside a melody's isolate, without capabilities.
--- The object it makes is, read raw, the definition of docs/definition.md, except that functions are still places
--- in the source; lua/melody/load.lua cuts them out, and lua/melody/definition.lua judges names and options.
local encode = require "melody.encode"
local handle = require "melody.handle"
local json = require "json"
local native = require "melody.native"
local triggers = require "melody.triggers"
local values = require "melody.values"

native.own()

local KEY = "^[a-z_][a-z0-9_]*$"
local RESERVED = { params = true, tasks = true, it = true }

local verbs = {}
local state = setmetatable({}, { __mode = "k" }) -- melody → {keys, source}

local fail, need = handle.fail, encode.need

local function check_melody(m, verb)
  if not state[m] then fail(("%s is called with a colon: m:%s(…)"):format(verb, verb)) end
end

local function check_key(m, key, verb)
  need(key, "string", "the key of " .. verb, 'the first argument: "diff"')
  if not key:find(KEY) then
    fail(("`%s` is no key: keys match [a-z_][a-z0-9_]*"):format(key))
  elseif RESERVED[key] then
    fail(("`%s` is reserved: functions see it as a global"):format(key))
  end
  local before = state[m].keys[key]
  if before then fail(("the key `%s` is taken by the task on line %s"):format(key, before)) end
end

--- Adds a task of any verb and gives its handle.
local function add(m, key, task)
  local chunk, line = native.place(2)
  task.key, task.line = key, line
  if chunk ~= state[m].chunk then task.file = chunk end
  state[m].keys[key] = line or "?"
  local tasks = rawget(m, "tasks")
  tasks[#tasks + 1] = task
  return handle.new("ref", { key })
end

function verbs.task(m, key, operation, input, options)
  check_melody(m, "task")
  check_key(m, key, "task")
  need(operation, "string", "the operation of `" .. key .. "`", 'such as "git.diff"')
  return add(m, key, {
    verb = "task", operation = operation,
    input = input ~= nil and values.encode(input, "the input of `" .. key .. "`") or nil,
    options = encode.options(options, key),
  })
end

function verbs.each(m, key, list, operation, fn, options)
  check_melody(m, "each")
  check_key(m, key, "each")
  if list == nil then fail(("each `%s` needs a list"):format(key), 'm:each(key, list, operation, fn, options)') end
  need(operation, "string", "the operation of `" .. key .. "`", 'm:each(key, list, operation, fn, options)')
  if type(fn) == "table" and not handle.details(fn) and rawget(fn, "lua") == nil and options == nil then
    fn, options = nil, fn
  end
  return add(m, key, {
    verb = "each", operation = operation, list = values.encode(list, "the list of `" .. key .. "`"),
    fn = fn ~= nil and values.callable(fn, "the function of `" .. key .. "`") or nil,
    options = encode.options(options, key),
  })
end

function verbs.loop(m, key, operation, first, fn, options)
  check_melody(m, "loop")
  check_key(m, key, "loop")
  need(operation, "string", "the operation of `" .. key .. "`", "m:loop(key, operation, first_input, fn, options)")
  if type(fn) == "table" and not handle.details(fn) and rawget(fn, "lua") == nil and options == nil then
    fn, options = nil, fn
  end
  local stop = options and rawget(need(options, "table", "the options of `" .. key .. "`"), "until_")
  return add(m, key, {
    verb = "loop", operation = operation,
    input = first ~= nil and values.encode(first, "the first input of `" .. key .. "`") or nil,
    fn = fn ~= nil and values.callable(fn, "the function of `" .. key .. "`") or nil,
    ["until"] = stop ~= nil and values.callable(stop, "`until_` of `" .. key .. "`") or nil,
    max = options and values.plain(rawget(options, "max"), "`max` of `" .. key .. "`"),
    options = encode.options(options, key, { until_ = true, max = true }),
  })
end

function verbs.ask(m, key, question, schema, options)
  check_melody(m, "ask")
  check_key(m, key, "ask")
  if question == nil then
    fail(("ask `%s` has no question"):format(key), 'm:ask(key, "Send it?", { type = "boolean" })')
  end
  return add(m, key, {
    verb = "ask", question = values.encode(question, "the question of `" .. key .. "`"),
    schema = values.plain(schema, "the schema of `" .. key .. "`"),
    options = encode.options(options, key),
  })
end

function verbs.sub(m, key, name, params, options)
  check_melody(m, "sub")
  check_key(m, key, "sub")
  need(name, "string", "the melody of `" .. key .. "`", 'm:sub(key, "melody", { name = value }, options)')
  return add(m, key, {
    verb = "sub", melody = name,
    params = params ~= nil and values.encode(params, "the parameters of `" .. key .. "`") or nil,
    options = encode.options(options, key),
  })
end

function verbs.param(m, name, options)
  check_melody(m, "param")
  need(name, "string", "the name of a parameter", 'such as m:param("base", { default = "HEAD" })')
  if not name:find(KEY) then fail(("`%s` is no name of a parameter: names match [a-z_][a-z0-9_]*"):format(name)) end
  local params = rawget(m, "params")
  if params[name] then fail(("the parameter `%s` is declared twice"):format(name)) end
  params[name] = values.plain(options ~= nil and need(options, "table", ("the options of `%s`"):format(name)) or {},
                              ("parameter `%s`"):format(name))
  local _, line = native.place()
  params[name].line = line
  return handle.new("param", { name })
end

function verbs.output(m, name, value)
  check_melody(m, "output")
  local d = handle.details(name)
  if d and value == nil then name, value = d.path[1], name end
  need(name, "string", "the name of an output", 'm:output("report", report) or m:output(report)')
  if value == nil then fail(("the output `%s` has no value"):format(name)) end
  local outputs = rawget(m, "outputs") or {}
  if outputs[name] ~= nil then fail(("the output `%s` is declared twice"):format(name)) end
  outputs[name] = values.encode(value, ("the output `%s`"):format(name))
  rawset(m, "outputs", outputs)
end

function verbs.on(m, kind, spec)
  check_melody(m, "on")
  local kinds = {}
  for _, name in ipairs(triggers.kinds) do kinds[name] = true end
  if not kinds[kind] then
    fail(("a melody cannot start on `%s`"):format(tostring(kind)), "one of: " .. table.concat(triggers.kinds, ", "))
  end
  need(spec, "string", ("what follows on %s"):format(kind))
  local list, _, line = rawget(m, "triggers") or json.array({}), native.place()
  list[#list + 1] = { on = kind, spec = spec, line = line }
  rawset(m, "triggers", list)
end

--- Takes m.text"…" as well as m:text"…".
function verbs.text(m, template)
  if state[m] then return values.text(template) end
  return values.text(m)
end

local function verb_names()
  local names = {}
  for name in next, verbs do names[#names + 1] = "m:" .. name end
  table.sort(names)
  return table.concat(names, ", ")
end

local meta = { __metatable = "melody" }

function meta.__index(_, name)
  if verbs[name] then return verbs[name] end
  fail(("a melody has no verb `%s`"):format(tostring(name)), "there are: " .. verb_names())
end

function meta.__newindex(m, name, value)
  if name ~= "doc" then
    fail(("a melody has no field `%s`"):format(tostring(name)), "m.doc = \"…\" is the only one to set")
  end
  rawset(m, "doc", need(value, "string", "m.doc"))
end

local function new(_, name)
  need(name, "string", "the name of a melody", 'such as melody "review"')
  if not name:find "^[%a_][%w_-]*$" then
    fail(("`%s` is no name of a melody: letters, digits, _ and -"):format(name))
  end
  local m = setmetatable({ format = 1, name = name, params = {}, tasks = json.array({}) }, meta)
  state[m] = { keys = {}, chunk = native.place() }
  return m
end

--- melody.flow(name, function(run, params) … end, options): a melody with one task, the function.
local function flow(name, fn, options)
  local m = new(nil, name)
  need(fn, "function", "the function of a flow", 'melody.flow("triage", function(run, params) … end)')
  add(m, "flow", {
    verb = "flow", fn = values.callable(fn, "the function of `" .. name .. "`"),
    options = encode.options(options, "flow"),
  })
  return m
end

local function edge(kind)
  return function(ref, absent)
    local d = handle.details(ref)
    if not d or d.kind ~= "ref" then
      fail(("melody.%s marks a reference to a task"):format(kind), ("melody.%s(diff.files, {})"):format(kind))
    end
    return handle.new("ref", d.path, kind, values.plain(absent, "what stands for an absent value"))
  end
end

local library = { flow = flow, soft = edge "soft", optional = edge "optional", own = handle.new("own", { "own" }) }

return setmetatable(library, {
  __call = new,
  __metatable = "melody",
  __index = function(_, name)
    fail(("the module melody has no `%s`"):format(tostring(name)),
         "there are: melody \"name\", melody.soft, melody.optional, melody.own, melody.flow")
  end,
})
