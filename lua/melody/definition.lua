--- The definition of a melody as data (docs/definition.md): to canonical JSON and back, and its hash.
local hash = require "sy.hash"
local json = require "sy.json"
local normalise = require "melody.normalise"
local problem = require "melody.problem"

local M = {}

--- See melody.normalise.
M.normalise = normalise.run
M.split = normalise.split

local function targets(definition, fn)
  for _, task in ipairs(definition.tasks) do
    local options = task.options or {}
    if task.operation then fn(task) end
    for _, target in ipairs(task.operations or {}) do fn(target) end
    for _, target in ipairs(options.fallback or {}) do fn(target) end
    if options.compensate then fn(options.compensate) end
  end
end

--- Calls `fn` with everything that names an operation: tasks, fallbacks, what undoes them; in sub-melodies, too.
---@param definition table
---@param fn fun(target: { operation: string, extension: string })
function M.each_target(definition, fn)
  targets(definition, fn)
  for _, sub in pairs(definition.melodies or {}) do targets(sub, fn) end
end

--- Writes the resolved name of each operation's extension into the definition.
---@param definition table
---@param ops fun(name: string): { extension: string }?
---@param ops_of? fun(melody: string): fun(name: string): table? what operations mean in a sub-melody
function M.resolve(definition, ops, ops_of)
  local function set_with(look_up)
    return function(target)
      local found = look_up(target.operation)
      if found and found.extension then target.extension = found.extension end
    end
  end
  targets(definition, set_with(ops))
  for name, sub in pairs(definition.melodies or {}) do targets(sub, set_with(ops_of and ops_of(name) or ops)) end
end

--- Canonical JSON: keys sorted, no spaces.
---@param definition table
---@return string
function M.encode(definition)
  return json.encode(definition)
end

--- A definition from JSON text.
---@param text string
---@param file? string
---@return table? definition
---@return melody.Problem[] problems
function M.decode(text, file)
  local raw, message = json.decode(text)
  if raw == nil then
    local line = tostring(message):match("line (%d+)")
    return nil, { problem.new("melody_invalid", tostring(message), { file = file, line = math.tointeger(line) }) }
  end
  return M.normalise(raw, file)
end

--- The hash that names this version of the melody, "sha256:…".
---@param definition table
---@return string
function M.hash(definition)
  return "sha256:" .. hash.sha256(M.encode(definition))
end

return M
