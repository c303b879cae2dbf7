--- The differences of two runs for people: + added, - removed, ~ changed; colour only underlines that.
local board = require "cli.output.board"
local json = require "sy.json"
local text = require "cli.output.text"
local value_diff = require "kit.value_diff"

local M = {}

local MOST_CHANGES = 12
local MOST_TASKS = 40
local MOST_PATCH_LINES = 16
local MOST_COSTS = 5
local SIGNIFICANT_MS = 10

local SIGNS = { added = "+", removed = "-", changed = "~" }
local COLORS = { ["+"] = "green", ["-"] = "red", ["~"] = "yellow" }

local View = {}
View.__index = View

--- A line of plain text, cut to the terminal; `sign` colours it.
function View:line(indent, sign, said)
  said = text.clean(said)
  if not self.style.utf8 then said = board.ascii(said) end
  local words = (" "):rep(indent) .. (sign and sign .. " " or "") .. said
  words = text.cut(words:gsub("%s+$", ""), self.style.columns, self.style:letter "ellipsis")
  self.lines[#self.lines + 1] = sign and COLORS[sign] and self.style:paint(COLORS[sign], words) or words
end

function View:heading(words)
  self.lines[#self.lines + 1] = self.style:paint("bold", words)
end

function View:arrow(from, to)
  return ("%s %s %s"):format(from, self.style:letter "arrow", to)
end

--- A value in a few letters.
function View:brief(value)
  local hash = value_diff.artifact(value)
  if hash then return "artifact " .. hash:sub(8, 19) end
  local words = text.clean(json.encode(value))
  return text.cut(words, math.max(12, self.style.columns // 2 - 14), self.style:letter "ellipsis")
end

function View:patch(change, indent)
  self:line(indent, "~", change.path)
  local count = 0
  for line in change.patch:gmatch "([^\n]*)\n" do
    if not line:match "^%-%-%- before" and not line:match "^%+%+%+ after" then
      count = count + 1
      local first = line:sub(1, 1)
      local sign = count <= MOST_PATCH_LINES and (first == "+" or first == "-") and first or nil
      if count <= MOST_PATCH_LINES then self:line(indent + 4, sign, sign and line:sub(2) or line) end
    end
  end
  if count > MOST_PATCH_LINES then
    self:line(indent + 4, nil, ("%d more lines   --json has them"):format(count - MOST_PATCH_LINES))
  end
end

function View:change(change, indent)
  local path = change.path == "" and "value" or change.path
  if change.patch then
    self:patch({ path = path, patch = change.patch }, indent)
  elseif change.kind == "changed" then
    self:line(indent, "~", ("%s  %s"):format(path, self:arrow(self:brief(change.from), self:brief(change.to))))
  else
    local value = change.from
    if change.kind == "added" then value = change.to end
    self:line(indent, SIGNS[change.kind], ("%s  %s"):format(path, self:brief(value)))
  end
end

function View:changes(list, indent, more)
  for i = 1, math.min(#list, MOST_CHANGES) do self:change(list[i], indent) end
  local rest = #list - MOST_CHANGES + (more or 0)
  if #list <= MOST_CHANGES then rest = more or 0 end
  if rest > 0 then self:line(indent + 2, nil, ("%d more   --json has them"):format(rest)) end
end

-- ---- parts ----

function View:structure(doc)
  local s = doc.structure
  if #s.added + #s.removed + #s.changed + #s.edges_added + #s.edges_removed == 0 then return end
  self:heading "structure"
  for _, one in ipairs(s.removed) do self:line(2, "-", ("%s  %s"):format(one.key, one.operation)) end
  for _, one in ipairs(s.added) do self:line(2, "+", ("%s  %s"):format(one.key, one.operation)) end
  for _, one in ipairs(s.changed) do
    local operation = one.from ~= one.to and self:arrow(one.from, one.to) or one.from
    self:line(2, "~", ("%s  %s  (%s)"):format(one.key, operation, table.concat(one.what, ", ")))
  end
  local function edges(list, sign)
    for _, edge in ipairs(list) do self:line(2, sign, ("%s  %s"):format(self:arrow(edge[1], edge[2]), edge[3])) end
  end
  edges(s.edges_removed, "-")
  edges(s.edges_added, "+")
end

local function state_words(state)
  if state.status == "completed" or state.status == "failed" then
    return state.outcome ~= json.null and state.outcome or state.status
  end
  return state.status
end

--- `following`: the task listed next; a map shows its children's changes, not those of its list of them.
function View:task(task, following)
  if task.from == json.null then return self:line(2, "+", ("%s  %s"):format(task.key, state_words(task.to))) end
  if task.to == json.null then return self:line(2, "-", ("%s  %s"):format(task.key, state_words(task.from))) end
  local from, to = state_words(task.from), state_words(task.to)
  self:line(2, "~", ("%s  %s"):format(task.key, from ~= to and self:arrow(from, to) or to))
  if task.to.error ~= json.null and task.to.status == "failed" then
    self:line(6, nil, ("%s: %s"):format(task.to.error.code, (tostring(task.to.error.message):gsub("\n.*", ""))))
  end
  if not (following and following.key:sub(1, #task.key + 1) == task.key .. "/") then
    self:changes(task.output, 6, task.more)
  end
end

function View:tasks(doc)
  if #doc.tasks == 0 then return end
  self:heading "tasks"
  for i = 1, math.min(#doc.tasks, MOST_TASKS) do self:task(doc.tasks[i], doc.tasks[i + 1]) end
  if #doc.tasks > MOST_TASKS then
    self:line(2, nil, ("%s%d more tasks   --json has them"):format(doc.more_tasks and "over " or "",
      #doc.tasks - MOST_TASKS))
  end
end

function View:artifacts(doc)
  if #doc.artifacts == 0 then return end
  self:heading "artifacts"
  for _, one in ipairs(doc.artifacts) do
    local function brief(hash, size)
      return ("%s %s"):format(hash:sub(8, 19), text.size(size))
    end
    local old = one.from ~= json.null and brief(one.from, one.from_size)
    local new = one.to ~= json.null and brief(one.to, one.to_size)
    self:line(2, old and new and "~" or new and "+" or "-",
      ("%s  %s  %s"):format(one.task, one.type, old and new and self:arrow(old, new) or old or new))
  end
end

local function signed(number, format)
  return (number < 0 and "-" or "+") .. format(math.abs(number))
end

local function usd(n) return ("%.4f usd"):format(n) end
local function tokens(n) return ("%d tokens"):format(n) end

--- What two costs differ in: "0.0100 usd → 0.0200 usd (+0.0100 usd)"; nothing for differences that are noise.
function View:amounts(from, to)
  local words = {}
  local function add(name, format, least)
    if math.abs(to[name] - from[name]) <= least then return end
    words[#words + 1] = ("%s (%s)"):format(self:arrow(format(from[name]), format(to[name])),
      signed(to[name] - from[name], format))
  end
  add("usd", usd, 0)
  add("tokens", tokens, 0)
  add("ms", text.duration, SIGNIFICANT_MS)
  return table.concat(words, ", ")
end

function View:cost(doc)
  local all = self:amounts(doc.from.cost, doc.to.cost)
  local rows = {}
  for _, one in ipairs(doc.costs) do
    local words = self:amounts(one.from, one.to)
    if words ~= "" and #rows < MOST_COSTS then rows[#rows + 1] = ("%s  %s"):format(one.key, words) end
  end
  if all == "" and #rows == 0 then return end
  self:heading "cost and time"
  if all ~= "" then self:line(2, nil, "run  " .. all) end
  for _, row in ipairs(rows) do self:line(2, nil, row) end
end

function View:title(doc)
  local from, to = doc.from, doc.to
  local name = from.melody == to.melody and from.melody or self:arrow(from.melody, to.melody)
  local said = ("%s  run %s"):format(self.style:paint("bold", name), self:arrow("#" .. from.number, "#" .. to.number))
  local forked = to.forked_from == from.run and " " .. self.style:letter "dot" .. " forked" or ""
  self.lines[#self.lines + 1] = said .. forked
end

local function status(line)
  return line.interrupted and "interrupted" or line.status
end

--- The document of `diff` as lines.
---@param doc table
---@param style Style
---@return string[]
function M.lines(doc, style)
  local view = setmetatable({ style = style, lines = {} }, View)
  view:title(doc)
  if doc.same then view:line(2, nil, "no difference but time") end
  if status(doc.from) ~= status(doc.to) then
    view:heading "status"
    view:line(2, "~", view:arrow(status(doc.from), status(doc.to)))
  end
  view:structure(doc)
  if #doc.params > 0 then view:heading "parameters" end
  view:changes(doc.params, 2)
  view:tasks(doc)
  if #doc.outputs > 0 then view:heading "outputs" end
  view:changes(doc.outputs, 2, doc.more_outputs)
  view:artifacts(doc)
  view:cost(doc)
  return view.lines
end

return M
