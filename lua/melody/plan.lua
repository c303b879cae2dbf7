--- What `run --dry-run` prints: the tasks in the order they can run, and what the extensions may touch.
local definition_of = require "melody.definition"
local graph = require "melody.graph"
local json = require "sy.json"
local verbs = require "melody.verbs"

local M = {}

local WORDS = {
  { "fs.read", "read %s" }, { "fs.write", "write %s" }, { "process", "run %s" }, { "net", "connect to %s" },
  { "env", "see the variable %s" }, { "secrets", "use the secret %s" }, { "editor", "editor: %s" },
}

--- A capability by its dotted name, however the manifest nests it.
local function capability(caps, name)
  local value = caps[name]
  local first, second = name:match("^(%w+)%.(%w+)$")
  if value == nil and first and type(caps[first]) == "table" then value = caps[first][second] end
  return type(value) == "table" and value or {}
end

--- "git: run git", one line for each thing that a capability allows.
local function touches(extension, caps, add)
  for _, word in ipairs(WORDS) do
    for _, item in ipairs(capability(caps, word[1])) do add(extension .. ": " .. word[2]:format(item)) end
  end
end

local EFFECTS = { read = "reads", write = "writes", external = "acts outside this machine" }

local function may_touch(definition, ops)
  local seen, list = {}, json.array({})
  local function add(text)
    if not seen[text] then seen[text], list[#list + 1] = true, text end
  end
  local function look(target)
    local operation = ops and ops(target.operation)
    if not operation then return end
    local extension = operation.extension or target.extension
    if type(operation.capabilities) == "table" then
      touches(extension, operation.capabilities, add)
    elseif EFFECTS[operation.effects] then
      add(("%s: %s"):format(target.operation, EFFECTS[operation.effects]))
    end
  end
  definition_of.each_target(definition, look)
  table.sort(list)
  return list
end

--- The document of `--dry-run`.
---@param definition table checked and resolved
---@param ops? fun(name: string): table?
---@return table? document
---@return string? message
---@return string? code
function M.document(definition, ops)
  local g = graph.new(definition)
  local order, circle = graph.order(g)
  if not order then return nil, "the tasks wait for each other: " .. table.concat(circle, ", "), "cycle" end
  local tasks = json.array({})
  for i, key in ipairs(order) do
    local task = g.tasks[key]
    tasks[i] = { key = key, verb = task.verb, operation = verbs.operation(task), melody = task.melody,
                 after = json.array(graph.predecessors(g, key)) }
  end
  return {
    melody = definition.name, melody_hash = definition_of.hash(definition), tasks = tasks,
    may_touch = may_touch(definition, ops),
  }
end

return M
