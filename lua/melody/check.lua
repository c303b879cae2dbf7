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
  require "melody.check.expressions",
  (require "melody.check.conditions"),
}

---@class melody.CheckOptions
---@field ops? fun(name: string): table?, string[]? {extension, operation, input, output, effects}; nil and all names
---@field compile? fun(source: string): boolean?, string?, integer? whether it compiles; message, line in it
---@field sources? table<string, string> text of the melody's files by name
---@field problems? melody.Problem[] what normalising has found

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

local function sort(problems)
  for i, p in ipairs(problems) do p.order = i end
  table.sort(problems, function(a, b)
    local la, lb = a.where.line or 0, b.where.line or 0
    if la ~= lb then return la < lb end
    return a.order < b.order
  end)
  for _, p in ipairs(problems) do p.order = nil end
end

--- All problems of a definition, in the order of their lines.
---@param definition table? normal form
---@param options melody.CheckOptions
---@return melody.Problem[]
function M.run(definition, options)
  local problems = table.move(options.problems or {}, 1, #(options.problems or {}), 1, {})
  local sources = options.sources or {}
  if definition and problem.ok(problems) then
    local context = {
      definition = definition, problems = problems, sources = sources, ops = options.ops,
      compile = options.compile or M.compile, graph = graph.new(definition),
    }
    function context.report(code, task, message, fields)
      local made = task and problem.of_task(code, task, message, fields) or problem.new(code, message, fields)
      made.where.file = made.where.file or definition.source
      problems[#problems + 1] = made
      return made
    end
    for _, stage in ipairs(M.stages) do stage.run(context) end
  end
  for _, p in ipairs(problems) do place.fill(p, definition, sources) end
  sort(problems)
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
