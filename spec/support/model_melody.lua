--- Melodies at random, as definitions, with what their operator is to do written into their inputs.
---
---   local definition = require "model_melody".melody(seed)   -- the same seed gives the same melody
---
--- `plan` of an input says how the attempts of a call end, one after the other: "ok", an error's code, or "retry" for
--- an error that the operator itself calls transient; the last one holds for all further attempts.

local M = {}

local CODES = { "io_error", "extension_error", "type_mismatch", "retry" }
local EDGES = { "hard", "hard", "soft", "optional" }

local function chance(percent) return math.random(100) <= percent end
local function one_of(list) return list[math.random(#list)] end

local function plan()
  local list = {}
  while chance(35) and #list < 4 do list[#list + 1] = one_of(CODES) end
  list[#list + 1] = chance(85) and "ok" or one_of(CODES)
  return list
end

local function call(id)
  return { id = id, plan = plan(), ms = chance(30) and math.random(0, 4) or 0 }
end

local function retry()
  local r = { max = math.random(0, 3), backoff = one_of { "none", "fixed" }, delay_ms = math.random(2), jitter = 0 }
  if chance(25) then r.on = { one_of { "io_error", "type_mismatch" } } end
  return r
end

local function add_call_options(task, id)
  local o = task.options
  if chance(40) then o.retry = retry() end
  if chance(20) then
    o.fallback = {}
    for i = 1, math.random(2) do
      o.fallback[i] = { operation = "chaos.step", extension = "chaos", input = chance(50) and call(id) or nil }
    end
  end
  if chance(25) then o.compensate = { operation = "chaos.undo", extension = "chaos", input = { key = task.key } } end
end

local verbs = {}

function verbs.task(task, id)
  task.input = call(id)
  add_call_options(task, id)
end

function verbs.each(task, id)
  task.list = {}
  for i = 1, math.random(0, 5) do task.list[i] = call(id * 100 + i) end
  if #task.list == 0 then task.list = { call(id * 100) } end
  task.options.max_parallel = math.random(3)
  if chance(40) then task.options.retry = retry() end
end

function verbs.loop(task, id)
  task.input = call(id)
  task.max = math.random(4)
  task.fn = { lua = "function() return first end", captures = { first = task.input } }
  task["until"] = { lua = ("function(it, i) return i >= %d end"):format(math.random(5)) }
  if chance(40) then task.options.retry = retry() end
end

function verbs.ask(task, id)
  task.question, task.schema = "how many?", { type = "integer" }
  task.options.default, task.options.timeout_ms = id, 1
end

--- What is referred to: the number, or all of it where there is no number.
local function part_of(task)
  if task.verb == "each" or task.verb == "ask" then return { task.key } end
  return { task.key, "n" }
end

local function join(count)
  if chance(75) or count == 0 then return nil end
  return chance(50) and "any" or math.random(count)
end

--- References to tasks before this one; their values are part of what the operator gives back.
local function add_edges(task, tasks)
  local seen, refs, joined = {}, {}, 0
  for _ = 1, math.min(#tasks, math.random(0, 3)) do
    local from, kind = one_of(tasks), one_of(EDGES)
    if not seen[from] then
      seen[from] = kind
      refs[#refs + 1] = { ["$ref"] = part_of(from), edge = kind, absent = kind ~= "hard" and -1 or nil }
      if kind ~= "optional" then joined = joined + 1 end
    end
  end
  if task.verb == "task" and #refs > 0 then
    task.input.refs = refs
    task.options.join = join(joined)
  elseif #refs > 0 then
    task.options.after = {}
    for _, ref in ipairs(refs) do table.insert(task.options.after, ref["$ref"][1]) end
  end
  if chance(15) then
    local value = one_of { "true", "false", "nil + 1" }
    task.options.when = { lua = ("function() return %s end"):format(value), uses = {} }
  end
end

local function add_task(tasks, id, deep)
  local verb = one_of(deep and { "task" } or { "task", "task", "task", "task", "each", "loop", "ask", "sub" })
  local task = { key = "t" .. id, verb = verb, operation = "chaos.step", extension = "chaos", options = {} }
  if verb == "ask" or verb == "sub" then task.operation, task.extension = nil, nil end
  if verb ~= "sub" then verbs[verb](task, id) end
  add_edges(task, tasks)
  local says = math.random(100)
  if verb ~= "ask" then task.options.on_error = says <= 82 and "skip" or says <= 92 and "halt" or "compensate" end
  tasks[#tasks + 1] = task
  return verb == "sub" and task or nil
end

local function melody(name, count, first, melodies)
  local tasks = {}
  for i = 1, count do
    local sub = add_task(tasks, first + i, melodies == nil)
    if sub then
      sub.melody, sub.params = "inner" .. sub.key, {}
      melodies[sub.melody] = melody(sub.melody, math.random(3), (first + i) * 10, nil)
    end
  end
  return { format = 1, name = name, tasks = tasks, outputs = { n = { ["$ref"] = part_of(tasks[#tasks]),
                                                                      edge = "soft", absent = -1 } } }
end

---@param seed integer
---@return table definition
function M.melody(seed)
  math.randomseed(seed)
  local melodies = {}
  local definition = melody("model", math.random(2, 12), 0, melodies)
  if next(melodies) then definition.melodies = melodies end
  return definition
end

return M
