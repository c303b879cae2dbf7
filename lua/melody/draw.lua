--- Draws the graph of a melody: as text, for Graphviz, or as a Mermaid flowchart.
local graph = require "melody.graph"
local verbs = require "melody.verbs"

local M = {}

M.formats = { "ascii", "dot", "mermaid" }

local UNICODE = { node = "●", down = "│", across = "─", tee = "├", corner = "└", join = "┼", last = "┴", times = "×",
                  again = "↻" }
local PLAIN = { node = "*", down = "|", across = "-", tee = "|", corner = "`", join = "+", last = "'", times = "x",
                again = "max " }

--- How many successors of each task are still to be drawn.
local function open_ends(g)
  local open = {}
  for _, key in ipairs(g.keys) do open[key] = #g.after[key] end
  return open
end

--- The column for a new node: the first free one right of its predecessors' columns.
local function free_column(lanes, least)
  local column = least
  while lanes[column] do column = column + 1 end
  return column
end

--- One row: lanes of the predecessors lead to the node, other lanes pass by.
local function row(g, key, lanes, open, set)
  local first, last, width = nil, 0, 0
  for column, other in pairs(lanes) do
    width = math.max(width, column)
    if g.before[key][other] then
      first, last = math.min(first or column, column), math.max(last, column)
    end
  end
  local own = free_column(lanes, last + 1)
  local cells = {}
  for column = 1, math.max(width, own) do
    local other, inside = lanes[column], first and column > first and column < own
    local cell = other and set.down or inside and set.across or " "
    if column == own then
      cell = set.node
    elseif other and g.before[key][other] then
      open[other] = open[other] - 1
      local ends = open[other] == 0
      cell = column == first and (ends and set.corner or set.tee) or ends and set.last or set.join
      if ends then lanes[column] = nil end
    end
    local run = first and column >= first and column < own
    cells[#cells + 1] = cell .. (run and set.across or " ")
  end
  if open[key] > 0 then lanes[own] = key end
  return table.concat(cells):match("^(.-)%s*$")
end

local function label(task, edges, set)
  local notes = { verbs.label(task, set) }
  if task.options and task.options.when then notes[#notes + 1] = "when" end
  for _, edge in ipairs(edges) do notes[#notes + 1] = edge end
  return table.concat(notes, "  ")
end

local function weak_edges(g, key)
  local list = {}
  for _, other in ipairs(graph.predecessors(g, key)) do
    local kind = g.before[key][other]
    if kind ~= "hard" then list[#list + 1] = ("%s %s"):format(kind, other) end
  end
  return list
end

local function as_text(g, order, set)
  local lanes, open, rows, width, key_width = {}, open_ends(g), {}, 0, 0
  for i, key in ipairs(order) do
    rows[i] = row(g, key, lanes, open, set)
    width, key_width = math.max(width, utf8.len(rows[i])), math.max(key_width, #key)
  end
  local lines = {}
  for i, key in ipairs(order) do
    local pad = (" "):rep(width - utf8.len(rows[i]) + 2)
    lines[i] = rows[i] .. pad .. key .. (" "):rep(key_width - #key + 2) .. label(g.tasks[key], weak_edges(g, key), set)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

--- How Graphviz and Mermaid draw a verb.
local SHAPES = { each = ", peripheries=2", loop = ", shape=cds", ask = ", shape=diamond", sub = ", shape=component" }
local BRACKETS = { each = { "[[", "]]" }, loop = { "([", "])" }, ask = { "{{", "}}" }, sub = { "[/", "/]" } }

local STYLE = { hard = "", soft = " [style=dashed]", optional = " [style=dotted]" }

local function as_dot(definition, g, order)
  local lines = { ("digraph %s {"):format(quoted(definition.name)), "  rankdir=LR;", "  node [shape=box];" }
  for _, key in ipairs(order) do
    local task = g.tasks[key]
    local name = quoted(key .. "\n" .. verbs.label(task, PLAIN):gsub(" xn$", ""))
    lines[#lines + 1] = ("  %s [label=%s%s];"):format(quoted(key), name, SHAPES[task.verb] or "")
  end
  for _, key in ipairs(order) do
    for _, other in ipairs(graph.predecessors(g, key)) do
      lines[#lines + 1] = ("  %s -> %s%s;"):format(quoted(other), quoted(key), STYLE[g.before[key][other]])
    end
  end
  return table.concat(lines, "\n") .. "\n}\n"
end

--- Keys cannot be words of Mermaid's own (`end`), so nodes are named by number.
local function as_mermaid(g, order)
  local lines, id = { "flowchart LR" }, {}
  for i, key in ipairs(order) do
    id[key] = "t" .. i
    local task = g.tasks[key]
    local shape, name = BRACKETS[task.verb] or { "[", "]" }, verbs.label(task, PLAIN):gsub(" xn$", "")
    lines[#lines + 1] = ('  %s%s"%s<br>%s"%s'):format(id[key], shape[1], key, (name:gsub('"', "&quot;")), shape[2])
  end
  for _, key in ipairs(order) do
    for _, other in ipairs(graph.predecessors(g, key)) do
      lines[#lines + 1] = ("  %s %s %s"):format(id[other], g.before[key][other] == "hard" and "-->" or "-.->", id[key])
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Draws a definition.
---@param definition table normal form
---@param format "ascii"|"dot"|"mermaid"
---@param options? { utf8: boolean } false: no characters beyond ASCII
---@return string? text
---@return string? message
---@return string? code
function M.draw(definition, format, options)
  local g = graph.new(definition)
  local order, circle = graph.order(g)
  if not order then return nil, "the tasks wait for each other: " .. table.concat(circle, ", "), "cycle" end
  if format == "ascii" then return as_text(g, order, options and options.utf8 == false and PLAIN or UNICODE) end
  if format == "dot" then return as_dot(definition, g, order) end
  if format == "mermaid" then return as_mermaid(g, order) end
  local known = table.concat(M.formats, ", ")
  return nil, ("no drawing in the format `%s`, only %s"):format(tostring(format), known), "usage"
end

return M
