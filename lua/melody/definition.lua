--- The definition of a melody as data (docs/definition.md): to canonical JSON and back, and its hash.
local hash = require "sy.hash"
local json = require "sy.json"
local normalise = require "melody.normalise"
local problem = require "melody.problem"

local M = {}

--- See melody.normalise.
M.normalise = normalise.run
M.split = normalise.split

--- Writes the resolved name of each operation's extension into the definition.
---@param definition table
---@param ops fun(name: string): { extension: string }?
function M.resolve(definition, ops)
  local function set(target)
    local found = ops(target.operation)
    if found and found.extension then target.extension = found.extension end
  end
  for _, task in ipairs(definition.tasks) do
    set(task)
    for _, target in ipairs(task.options and task.options.fallback or {}) do set(target) end
  end
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
