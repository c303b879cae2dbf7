--- Checks a definition before anything runs. A list of small stages, each looking at one thing; every stage sees the
--- same context and adds problems to it. `melody check` prints them, `run` refuses to start with an error among them.
local graph = require "melody.graph"
local place = require "melody.place"
local problem = require "melody.problem"

local M = {}

--- In this order; what a later stage relies on has been checked by an earlier one.
M.stages = {
  require "melody.check.references",
  require "melody.check.cycles",
  require "melody.check.operations",
  require "melody.check.params",
  require "melody.check.outputs",
  require "melody.check.inputs",
  require "melody.check.budgets",
  require "melody.check.asks",
  require "melody.check.subs",
  require "melody.check.expressions",
  (require "melody.check.conditions"),
}

---@class melody.CheckOptions
---@field ops? fun(name: string): table?, string[]? {extension, operation, input, output, effects}; nil and all names
---@field compile? fun(source: string): boolean?, string?, integer? whether it compiles; message, line in it
---@field sources? table<string, string> text of the melody's files by name
---@field problems? melody.Problem[] what normalising has found
---@field melodies? melody.Others the melodies there are, for `sub`

---@class melody.Others
---@field names string[] for "did you mean"
---@field ops? fun(melody: string): fun(name: string): table? what operations mean inside a sub-melody
---@field why? table<string, melody.Problem> why one that is there cannot be used

--- Compiles without running; the default of `compile`.
---@param source string
---@return boolean?
---@return string? message
---@return integer? line
function M.compile(source)
  local chunk, message = load("return " .. source, "=when", "t", {})
  if chunk then return true end
  local line, text = tostring(message):match("^when:(%d+): (.*)$")
  return nil, text or message, math.tointeger(line)
end

--- By line, those of the melody's own file before those of others.
local function sort(problems, own)
  for i, p in ipairs(problems) do p.order = i end
  local function rank(p)
    local file = p.where.file
    return (not file or file == own) and "" or file
  end
  table.sort(problems, function(a, b)
    local fa, fb = rank(a), rank(b)
    if fa ~= fb then return fa < fb end
    local la, lb = a.where.line or 0, b.where.line or 0
    if la ~= lb then return la < lb end
    return a.order < b.order
  end)
  for _, p in ipairs(problems) do p.order = nil end
end

--- What the stages see of one definition.
local function new_context(definition, shared, ops, depth)
  local context = {
    definition = definition, problems = shared.problems, sources = shared.sources, ops = ops, depth = depth,
    compile = shared.compile, graph = graph.new(definition), melodies = shared.melodies,
  }
  function context.report(code, task, message, fields)
    local made = task and problem.of_task(code, task, message, fields) or problem.new(code, message, fields)
    made.where.file = made.where.file or definition.source
    shared.problems[#shared.problems + 1] = made
    return made
  end
  function context.sub(name)
    return shared.sub(name, depth + 1)
  end
  return context
end

--- Looks operations up when they are asked for: a sub-melody's, before its own stages have run.
local function lazy_operations(ops)
  return setmetatable({}, { __index = function(known, name)
    local found = ops and name and ops(name) or nil
    known[name or ""] = found
    return found
  end })
end

--- Contexts of the sub-melodies, made when they are asked for.
local function subs(definition, shared, options)
  local made, ops_of = {}, options.melodies and options.melodies.ops
  function shared.sub(name, depth)
    local found = definition.melodies and definition.melodies[name]
    if not found then return nil end
    if not made[name] then
      local ops = ops_of and ops_of(name) or options.ops
      made[name] = new_context(found, shared, ops, depth)
      made[name].operations, made[name].name = lazy_operations(ops), name
    end
    return made[name]
  end
end

local function run_stages(context)
  for _, stage in ipairs(M.stages) do stage.run(context) end
end

--- A sub-melody that is the melody itself is checked once.
local function is_itself(definition, name)
  local sub = definition.melodies[name]
  return sub.name == definition.name and sub.source == definition.source
end

local function check_all(definition, options, problems)
  local shared = { problems = problems, sources = options.sources or {}, compile = options.compile or M.compile,
                   melodies = options.melodies or { names = {} } }
  subs(definition, shared, options)
  local context, names = new_context(definition, shared, options.ops, 0), {}
  for name in pairs(definition.melodies or {}) do
    if is_itself(definition, name) then context.name = name else names[#names + 1] = name end
  end
  run_stages(context)
  table.sort(names)
  for _, name in ipairs(names) do run_stages(context.sub(name)) end
end

--- The definition that a problem is about.
local function subject(definition, p)
  for _, sub in pairs(definition and definition.melodies or {}) do
    if p.where.file and sub.source == p.where.file then return sub end
  end
  return definition
end

--- All problems of a definition and of its sub-melodies, in the order of their lines.
---@param definition table? normal form
---@param options melody.CheckOptions
---@return melody.Problem[]
function M.run(definition, options)
  local problems = table.move(options.problems or {}, 1, #(options.problems or {}), 1, {})
  local sources = options.sources or {}
  if definition and problem.ok(problems) then check_all(definition, options, problems) end
  for _, p in ipairs(problems) do place.fill(p, subject(definition, p), sources) end
  sort(problems, definition and definition.source)
  return problems
end

M.ok = problem.ok

--- The document of `melody check --json`.
---@param name string
---@param problems melody.Problem[]
---@return table
function M.document(name, problems)
  local list = require("sy.json").array({})
  for i, p in ipairs(problems) do list[i] = problem.json(p) end
  return { melody = name, ok = problem.ok(problems), problems = list }
end

return M
