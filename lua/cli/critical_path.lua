--- The critical path of a run: from what ended last backwards, each time to the predecessor that ended last, for that
--- is what it waited for. Within a sub-melody the same again; of a map the child that ended last belongs to it.
local graph = require "melody.graph"

local M = {}

---@class Span
---@field key string
---@field from number ms since the run began: when it was wanted
---@field start number when it began
---@field finish number when it ended

--- The span that ended last; of several the one that began first.
local function latest(spans)
  local last
  for _, span in ipairs(spans) do
    if not last or span.finish > last.finish or span.finish == last.finish and span.start < last.start then
      last = span
    end
  end
  return last
end

local function present(keys, prefix, by_key)
  local list = {}
  for _, key in ipairs(keys) do
    local span = by_key[prefix .. key]
    if span and not span.skipped then list[#list + 1] = span end
  end
  return list
end

local walk

--- What is inside of a task: the path through a sub-melody, the last child of a map.
local function inside(span, task, scope, path)
  if task.verb == "sub" then
    local inner = scope.melodies[task.melody]
    if inner then walk(graph.new(inner), scope, span.key .. "/", path) end
  elseif span.last_child then
    path[#path + 1] = span.last_child
  end
end

walk = function(g, scope, prefix, path)
  local at = latest(present(g.keys, prefix, scope.by_key))
  while at do
    local key = at.key:sub(#prefix + 1)
    path[#path + 1] = at
    inside(at, g.tasks[key], scope, path)
    at = latest(present(graph.predecessors(g, key), prefix, scope.by_key))
  end
end

--- Sets `from` of every task to the moment its predecessors had ended, in sub-melodies too: until then it waited for
--- them, not for its turn.
---@param definition table
---@param by_key table<string, Span>
function M.set_ready(definition, by_key)
  local function scope(g, prefix)
    for _, key in ipairs(g.keys) do
      local span = by_key[prefix .. key]
      for _, before in ipairs(span and present(graph.predecessors(g, key), prefix, by_key) or {}) do
        if g.before[key][before.key:sub(#prefix + 1)] ~= "optional" then
          span.from = math.min(span.start, math.max(span.from, before.finish))
        end
      end
      local inner = span and g.tasks[key].verb == "sub" and (definition.melodies or {})[g.tasks[key].melody]
      if inner then scope(graph.new(inner), span.key .. "/") end
    end
  end
  scope(graph.new(definition), "")
end

--- The spans of the path in the order in which they began, each marked `critical`, with `gap`: the time for which
--- nothing of the path ran before it.
---@param definition table
---@param by_key table<string, Span> of tasks, not of children of maps
---@return Span[]
function M.find(definition, by_key)
  local path = {}
  walk(graph.new(definition), { melodies = definition.melodies or {}, by_key = by_key }, "", path)
  table.sort(path, function(a, b)
    if a.start ~= b.start then return a.start < b.start end
    return a.key < b.key
  end)
  local reached = 0
  for _, span in ipairs(path) do
    span.critical = true
    span.gap = math.max(0, span.start - reached)
    reached = math.max(reached, span.finish)
  end
  return path
end

return M
