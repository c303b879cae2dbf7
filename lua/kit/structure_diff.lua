--- What differs between two definitions: tasks that were added, removed or changed, and edges. Tasks of melodies within
--- the melody are named with its name: "inner: fetch".
local graph = require "melody.graph"
local json = require "sy.json"
local value_diff = require "kit.value_diff"

local M = {}

--- What a task is apart from where it was written.
local function content(task)
  local copy = {}
  for name, value in pairs(task) do
    if name ~= "line" and name ~= "key" then copy[name] = value end
  end
  for _, name in ipairs { "fn", "until" } do
    if type(copy[name]) == "table" then copy[name] = { lua = copy[name].lua, captures = copy[name].captures } end
  end
  return copy
end

local function operation(task)
  return task.operation or (task.verb == "sub" and task.melody) or task.verb or json.null
end

local function names(changes)
  local seen, list = {}, json.array {}
  for _, change in ipairs(changes) do
    local name = change.path:match "^options%.[%a_]+" or change.path:match "^[%a_]+" or "verb"
    if not seen[name] then seen[name], list[#list + 1] = true, name end
  end
  return list
end

local function compare_task(out, prefix, key, old, new)
  if not old then
    out.added[#out.added + 1] = { key = prefix .. key, operation = operation(new) }
  elseif not new then
    out.removed[#out.removed + 1] = { key = prefix .. key, operation = operation(old) }
  else
    local changes = value_diff.changes(content(old), content(new))
    if #changes > 0 then
      out.changed[#out.changed + 1] = { key = prefix .. key, from = operation(old), to = operation(new),
        what = names(changes) }
    end
  end
end

local function add_edges(list, prefix, g, other)
  for _, key in ipairs(g.keys) do
    for _, before in ipairs(graph.predecessors(g, key)) do
      local kind = g.before[key][before]
      local same = other.before[key] and other.before[key][before]
      if same ~= kind then list[#list + 1] = { prefix .. before, prefix .. key, kind } end
    end
  end
end

local NONE = { keys = {}, tasks = {}, before = {}, after = {} }

local function compare_graphs(out, prefix, a, b)
  for _, key in ipairs(a.keys) do compare_task(out, prefix, key, a.tasks[key], b.tasks[key]) end
  for _, key in ipairs(b.keys) do
    if not a.tasks[key] then compare_task(out, prefix, key, nil, b.tasks[key]) end
  end
  add_edges(out.edges_removed, prefix, a, b)
  add_edges(out.edges_added, prefix, b, a)
end

local function inner(melody)
  return melody and melody.definition.melodies or {}
end

local function inner_names(a, b)
  local list = {}
  for name in pairs(inner(a)) do list[#list + 1] = name end
  for name in pairs(inner(b)) do
    if not inner(a)[name] then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- Compares two definitions.
---@param a? { definition: table, graph: melody.Graph } nil: it is not there any more
---@param b? { definition: table, graph: melody.Graph }
---@return table { added, removed, changed, edges_added, edges_removed }
function M.compare(a, b)
  local out = {}
  for _, name in ipairs { "added", "removed", "changed", "edges_added", "edges_removed" } do
    out[name] = json.array {}
  end
  compare_graphs(out, "", a and a.graph or NONE, b and b.graph or NONE)
  for _, name in ipairs(inner_names(a, b)) do
    local old, new = inner(a)[name], inner(b)[name]
    compare_graphs(out, name .. ": ", old and graph.new(old) or NONE, new and graph.new(new) or NONE)
  end
  return out
end

--- Whether nothing differs.
---@param out table as compare gives it
---@return boolean
function M.same(out)
  return #out.added + #out.removed + #out.changed + #out.edges_added + #out.edges_removed == 0
end

return M
