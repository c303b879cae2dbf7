--- The tasks of a definition as a graph: who waits for whom, in which order they can run, and who waits in a circle.
local refs = require "melody.refs"

local M = {}

---@class melody.Graph
---@field keys string[] in the order of the definition
---@field tasks table<string, table>
---@field before table<string, table<string, string>> key → predecessor → edge
---@field after table<string, string[]> key → successors, in the order of the definition

---@param definition table
---@return melody.Graph
function M.new(definition)
  local graph = { keys = {}, tasks = {}, before = {}, after = {} }
  for _, task in ipairs(definition.tasks) do
    if not graph.tasks[task.key] then graph.keys[#graph.keys + 1] = task.key end
    graph.tasks[task.key], graph.after[task.key] = task, {}
  end
  for _, key in ipairs(graph.keys) do
    graph.before[key] = refs.edges(graph.tasks[key], graph.tasks)
    for before in pairs(graph.before[key]) do
      graph.after[before][#graph.after[before] + 1] = key
    end
  end
  return graph
end

--- The predecessors of a task, in the order of the definition.
---@param graph melody.Graph
---@param key string
---@return string[]
function M.predecessors(graph, key)
  local list = {}
  for _, other in ipairs(graph.keys) do
    if graph.before[key][other] then list[#list + 1] = other end
  end
  return list
end

--- A circle, turned so that the key written first comes first.
local function turn(graph, circle)
  local place, first = {}, nil
  for i, key in ipairs(circle) do place[key] = i end
  for _, key in ipairs(graph.keys) do
    first = first or place[key]
  end
  local out = {}
  for i = 1, #circle do out[i] = circle[(first + i - 2) % #circle + 1] end
  return out
end

--- One circle among the keys that never became ready; each waits for the one before it.
local function circle_of(graph, waiting)
  local at, seen, path = nil, {}, {}
  for _, key in ipairs(graph.keys) do
    if waiting[key] then at = key break end
  end
  while not seen[at] do
    path[#path + 1], seen[at] = at, #path + 1
    for _, before in ipairs(M.predecessors(graph, at)) do
      if waiting[before] then at = before break end
    end
  end
  local circle = {}
  for i = #path, seen[at], -1 do circle[#circle + 1] = path[i] end
  return turn(graph, circle)
end

--- Keys in an order in which they can run (Kahn; the earlier written first), or nil and a circle of keys, each of
--- which waits for the one before it.
---@param graph melody.Graph
---@return string[]? order
---@return string[]|table<string, integer> levels the level of each key from 1; on failure the circle
function M.order(graph)
  local missing, level, order, ready = {}, {}, {}, {}
  for _, key in ipairs(graph.keys) do
    local n = 0
    for _ in pairs(graph.before[key]) do n = n + 1 end
    missing[key], level[key] = n, 1
    if n == 0 then ready[#ready + 1] = key end
  end
  local at = 1
  while ready[at] do
    local key = ready[at]
    order[at], at = key, at + 1
    for _, after in ipairs(graph.after[key]) do
      missing[after] = missing[after] - 1
      level[after] = math.max(level[after], level[key] + 1)
      if missing[after] == 0 then ready[#ready + 1] = after end
    end
  end
  if #order == #graph.keys then return order, level end
  local waiting = {}
  for _, key in ipairs(graph.keys) do waiting[key] = missing[key] > 0 or nil end
  return nil, circle_of(graph, waiting)
end

--- Keys grouped by the step at which they can start.
---@param graph melody.Graph
---@return string[][]? levels nil when there is a circle
function M.levels(graph)
  local order, level = M.order(graph)
  if not order then return nil end
  local out = {}
  for _, key in ipairs(order) do
    local l = level[key]
    out[l] = out[l] or {}
    table.insert(out[l], key)
  end
  return out
end

--- The tasks that nobody depends on: a run's outputs where the melody names none.
---@param graph melody.Graph
---@return string[]
function M.leaves(graph)
  local out = {}
  for _, key in ipairs(graph.keys) do
    if #graph.after[key] == 0 then out[#out + 1] = key end
  end
  return out
end

return M
