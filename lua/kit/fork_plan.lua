--- Which tasks of a run a fork runs again: the named one, what a changed parameter reaches, what had failed, and what
--- depends on any of these. Everything else keeps what it had. Works on the definition the run pinned; `melodies`
--- within it are scopes of their own, below the task that calls them.
local graph = require "melody.graph"
local json = require "sy.json"
local problem = require "kit.problem"
local refs = require "melody.refs"
local suggest = require "kit.suggest"

local M = {}

---@class ForkPlan
---@field whole table<string, boolean> run again, with everything below
---@field open table<string, boolean> maps, loops and sub-melodies that are gone through again: children are kept
---@field loops table<string, integer> loop → the first iteration that runs again
---@field keep_failed table<string, boolean> tasks (or parents) whose failure was no failure of the run
---@field left_out { key: string, task: table }[] with `only`: what has no result and gets none
---@field again { key: string, tasks: table[] }[] what runs again, with the tasks that say what that may touch

local Plan = {}
Plan.__index = Plan

local function parts_of(key)
  local parts = {}
  for part in key:gmatch "[^/]+" do parts[#parts + 1] = part end
  return parts
end

--- Whether a task looks at one of the parameters.
local function looks_at(task, params)
  if next(params) == nil then return false end
  local found = false
  for _, item in ipairs(refs.values(task)) do
    refs.walk(item.value, function(form, content)
      if form == "$param" and params[content[1]] then found = true end
    end)
  end
  for _, item in ipairs(refs.functions(task)) do
    local names, read = refs.globals(item.fn)
    if names.params then found = true end -- all of them, as one value
    for name in pairs(read) do found = found or params[name] or false end
  end
  return found
end

local LOST = { error = true, timeout = true, denied = true, cancelled = true, compensated = true }

local function on_error(task)
  return task.options and task.options.on_error or "halt"
end

--- Whether a row says that its task has to be done again for the run to go on.
local function is_lost(row, task)
  if not row or row.outcome == json.null or not LOST[row.outcome] then return false end
  return row.outcome == "cancelled" or row.outcome == "compensated" or on_error(task) ~= "skip"
end

local function is_parent(task)
  return task.verb == "each" or task.verb == "loop" or task.verb == "sub" or task.verb == "flow"
end

--- The tasks that a task stands for: itself, or all of its sub-melody.
function Plan:tasks_of(task)
  if task.verb ~= "sub" then return { task } end
  local inner, list = self.melodies[task.melody], {}
  for _, one in ipairs(inner and inner.tasks or {}) do
    for _, each in ipairs(self:tasks_of(one)) do list[#list + 1] = each end
  end
  return list
end

function Plan:add(key, task)
  self.again[#self.again + 1] = { key = key, tasks = self:tasks_of(task) }
end

function Plan:run_whole(key, task)
  if self.whole[key] then return end
  self.whole[key] = true
  self:add(key, task)
end

local function no_task(key, known)
  return problem.fail("not_found", ("the run has no task `%s`"):format(key),
    { hint = suggest.hint(key, known) or "symphony show RUN   lists its tasks" })
end

--- The named child of a map or a loop.
function Plan:child(full, task, rest)
  local key, number = full .. "/" .. rest, math.tointeger(tonumber(rest))
  if not number or not self.rows(key) then return no_task(key, { full }) end
  self.open[full] = true
  if task.verb == "each" then
    self.whole[key] = true
  elseif self.only and self.rows(("%s/%d"):format(full, number + 1)) then
    return problem.fail("usage", ("`%s` is not the last iteration: those after it build on it"):format(key),
      { hint = "without --only they run again, too" })
  else
    self.loops[full] = number
  end
  self:add(key, task)
  return true
end

--- The named call of a flow: the code runs again, calls before this one are answered from their rows.
function Plan:call(full, task, key)
  if self.only then
    return problem.fail("usage", ("`%s` is a call of code, which goes on from its result"):format(key),
      { hint = "without --only the code goes on from there" })
  end
  self.open[full], self.keep_failed[full] = true, true
  for _, one in ipairs(self.calls(key)) do self.whole[one] = true end
  self:add(key, task)
  return true
end

--- The named task is below this one.
function Plan:below(full, task, path)
  local rest = table.concat(path, "/", 2)
  if task.verb == "sub" and self.melodies[task.melody] then
    self.open[full] = true
    return self:scope(self.melodies[task.melody], full .. "/", table.move(path, 2, #path, 1, {}), {})
  elseif (task.verb == "each" or task.verb == "loop") and #path == 2 then
    return self:child(full, task, rest)
  end
  if task.verb == "flow" and #path == 2 and self.rows(full .. "/" .. rest) then
    return self:call(full, task, full .. "/" .. rest)
  end
  return no_task(full .. "/" .. rest, { full })
end

--- A task that had not ended well is done again; of what is below it, what had.
function Plan:again_open(full, task)
  if not is_parent(task) then return self:run_whole(full, task) end
  self.open[full] = true
  if task.verb == "sub" and self.melodies[task.melody] then
    self:scope(self.melodies[task.melody], full .. "/", {}, {})
  else
    self:add(full, task)
  end
end

function Plan:look(g, prefix, key, changed)
  local task, full = g.tasks[key], prefix .. key
  local row = self.rows(full)
  if on_error(task) == "skip" then self.keep_failed[full] = true end
  if looks_at(task, changed) then
    self:run_whole(full, task)
    return true
  elseif is_lost(row, task) then
    self:again_open(full, task)
    return true
  elseif not row or row.outcome == json.null then
    self:again_open(full, task)
  end
  return false
end

--- With `only` nothing but the named task runs: what has no result that a run can go on with is left out.
function Plan:leave_out(g, prefix, key)
  local task, full = g.tasks[key], prefix .. key
  local row = self.rows(full)
  if on_error(task) == "skip" then self.keep_failed[full] = true end
  if not row or row.outcome == json.null or is_lost(row, task) then
    self.left_out[#self.left_out + 1] = { key = full, task = task }
    self.whole[full] = true
  end
end

--- Everything that depends on one of the seeds.
local function dependents(g, seeds)
  local list, seen, at = {}, {}, 1
  for key in pairs(seeds) do list[#list + 1] = key end
  local first = #list
  while list[at] do
    for _, after in ipairs(g.after[list[at]]) do
      if not seen[after] then
        seen[after], list[#list + 1] = true, after
      end
    end
    at = at + 1
  end
  return table.move(list, first + 1, #list, 1, {})
end

--- One melody: the run's own, or one within it. `path`: what leads to the named task from here; empty: it is elsewhere.
function Plan:scope(definition, prefix, path, changed)
  local g, seeds, name = graph.new(definition), {}, path[1]
  if name and not g.tasks[name] then return no_task(prefix .. name, g.keys) end
  for _, key in ipairs(g.keys) do
    local full = prefix .. key
    if key == name then
      seeds[key] = true
      local below = path[2] and (self.only or not looks_at(g.tasks[key], changed))
      if below then
        local ok, why = self:below(full, g.tasks[key], path)
        if not ok then return nil, why end
      else
        self:run_whole(full, g.tasks[key])
      end
    elseif self.only then
      self:leave_out(g, prefix, key)
    elseif self:look(g, prefix, key, changed) then
      seeds[key] = true
    end
  end
  if self.only then return true end
  for _, key in ipairs(dependents(g, seeds)) do self:run_whole(prefix .. key, g.tasks[key]) end
  return true
end

--- Plans a fork.
---@param definition table the one the run pinned
---@param options { from: string, only: boolean?, changed: table<string, boolean>,
--- rows: fun(key: string): { outcome: any }?, calls: fun(key: string): string[] }
---@return ForkPlan?, Problem?
function M.new(definition, options)
  local self = setmetatable({ whole = {}, open = {}, loops = {}, keep_failed = {}, left_out = {}, again = {},
    only = options.only, rows = options.rows, calls = options.calls, melodies = definition.melodies or {} }, Plan)
  local path = parts_of(options.from)
  if #path == 0 or table.concat(path, "/") ~= options.from then return no_task(options.from, {}) end
  local ok, why = self:scope(definition, "", path, options.changed)
  if not ok then return nil, why end
  self:tidy()
  return self
end

--- `again` in the order of keys, each once, without what is below another.
function Plan:tidy()
  local seen, list = {}, {}
  for _, one in ipairs(self.again) do
    local above = one.key
    repeat
      above = above:match "^(.*)/[^/]*$"
    until not above or self.whole[above]
    if not above and not seen[one.key] then
      seen[one.key], list[#list + 1] = true, one
    end
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  self.again = list
end

--- What becomes of a row: "keep", "open" (a parent that is gone through again) or nil.
---@param row table of the run that is forked
---@return "keep"|"open"|nil
function Plan:fate(row)
  local key = row.key
  for at = 1, #key do
    if key:sub(at, at) == "/" and self.whole[key:sub(1, at - 1)] then return nil end
  end
  if self.whole[key] or key:match "/compensate$" then return nil end
  local parent, number = key:match "^(.*)/(%d+)$"
  if parent and self.loops[parent] and math.tointeger(tonumber(number)) >= self.loops[parent] then return nil end
  if self.open[key] then return "open" end
  if row.outcome == json.null or row.outcome == "cancelled" or row.outcome == "compensated" then return nil end
  if LOST[row.outcome] and not (self.keep_failed[key] or parent and self.keep_failed[parent] or self.only) then
    return nil
  end
  return "keep"
end

return M
