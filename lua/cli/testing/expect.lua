--- What a case expects of a run: each mismatch in a sentence.
local json = require "sy.json"
local select = require "cli.select"

local M = {}

local function shown(value)
  local text = value == nil and "nothing" or json.encode(value)
  return #text > 200 and text:sub(1, 200) .. "…" or text
end

--- Whether `have` holds all that `want` says: maps may have more fields, lists not more items. Else the path to the
--- first difference.
local function covers(want, have, path)
  if type(want) ~= "table" or want == json.null then
    if want == have or want == json.null and have == nil then return nil end
    return ("%s is %s, not %s"):format(path, shown(have), shown(want))
  end
  if type(have) ~= "table" then return ("%s is %s, not %s"):format(path, shown(have), shown(want)) end
  if #want > 0 and #want ~= #have then
    return ("%s has %d items, not %d"):format(path, #have, #want)
  end
  for key, value in pairs(want) do
    local part = math.type(key) and ("[%d]"):format(key) or "." .. key
    local why = covers(value, have[key], path .. part)
    if why then return why end
  end
end

local function did_run(task)
  return task.attempts > 0 and task.outcome ~= "skipped" and task.began ~= nil
end

--- The tasks that a glob of keys means.
local function matching(run, glob)
  local pattern, found = select.pattern(glob), {}
  for key, task in pairs(run.tasks) do
    if key:match(pattern) then found[#found + 1] = task end
  end
  return found
end

local checks = {}

function checks.status(want, run)
  if run.status == want then return end
  local why = type(run.error) == "table" and run.error ~= json.null and ": " .. tostring(run.error.message) or ""
  return ("the run is %s, not %s%s"):format(run.status, want, why)
end

function checks.error(want, run)
  local code = run.error ~= json.null and run.error.code or "none"
  if code ~= want then return ("the run's error is %s, not %s"):format(code, want) end
end

function checks.outputs(want, run)
  return covers(want, run.outputs, "outputs")
end

function checks.tasks(want, run)
  local have, wanted, names = {}, {}, {}
  for _, key in ipairs(want) do wanted[key] = true end
  for key in pairs(run.tasks) do
    if not key:find("/", 1, true) then have[key], names[#names + 1] = true, key end
  end
  table.sort(names)
  for _, key in ipairs(want) do
    if not have[key] then return ("there is no task `%s`; there are %s"):format(key, table.concat(names, ", ")) end
  end
  for _, key in ipairs(names) do
    if not wanted[key] then return ("there is a task `%s`, too"):format(key) end
  end
end

function checks.ran(want, run)
  for _, glob in ipairs(want) do
    local some = false
    for _, task in ipairs(matching(run, glob)) do some = some or did_run(task) end
    if not some then return ("`%s` did not run"):format(glob) end
  end
end

function checks.not_run(want, run)
  for _, glob in ipairs(want) do
    for _, task in ipairs(matching(run, glob)) do
      if did_run(task) then return ("`%s` ran"):format(task.key) end
    end
  end
end

function checks.order(want, run)
  for i = 2, #want do
    local before, after = run.tasks[want[i - 1]], run.tasks[want[i]]
    if not (before and before.ended) then return ("`%s` did not end"):format(want[i - 1]) end
    if not (after and after.began) then return ("`%s` did not begin"):format(want[i]) end
    if before.ended > after.began then return ("`%s` began before `%s` had ended"):format(want[i], want[i - 1]) end
  end
end

local function by_key(field, what)
  return function(want, run)
    for key, value in pairs(want) do
      local task = run.tasks[key]
      if not task then return ("there is no task `%s`"):format(key) end
      if task[field] ~= value then
        return ("`%s` has %s %s, not %s"):format(key, what, shown(task[field]), shown(value))
      end
    end
  end
end

checks.outcomes = by_key("outcome", "the outcome")
checks.attempts = by_key("attempts", "the number of attempts")

function checks.inputs(want, run)
  for key, value in pairs(want) do
    local task = run.tasks[key]
    if not task then return ("there is no task `%s`"):format(key) end
    local why = covers(value, task.input, ("the input of `%s`"):format(key))
    if why then return why end
  end
end

--- Costs are limits: the run may have used less.
function checks.cost(want, run)
  for unit, most in pairs(want) do
    local used = run.cost[unit]
    if used == nil then return ("cost has usd, tokens and ms, not %s"):format(tostring(unit)) end
    if used > most then return ("the run used %s %s, more than %s"):format(used, unit, most) end
  end
end

local ORDER = { "status", "error", "tasks", "ran", "not_run", "order", "outcomes", "attempts", "inputs", "outputs",
                "cost" }

--- What of an expectation is not so.
---@param expect table
---@param run table as play.run gives it
---@return string[] problems
function M.problems(expect, run)
  local list = {}
  if expect.status == nil then expect.status = expect.error and "failed" or "completed" end
  for _, name in ipairs(ORDER) do
    local why = expect[name] ~= nil and checks[name](expect[name], run)
    if why then list[#list + 1] = why end
  end
  return list
end

return M
