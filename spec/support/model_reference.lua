--- What a generated melody must come to, worked out task by task in the order they are written: no threads, no time.
---
---   local expected, whole = reference.run(definition)
---   expected[PATH]   -- {outcome =, output =, attempts =} of each task and child, had nothing been stopped
---   expected[PATH].partial   -- a sub-melody that stops: what is in it may have been cut short
---   whole            -- no failure stops the run
---
--- An output's number may depend on what was there first (`join`, `optional`): it is a set of values then.

local M = {}

--- Codes for which the same input would fail the same way.
local LASTING = { type_mismatch = true }

--- One call with its retries and fallbacks. → ended well, attempts, number of the target (from 0), input of it
local function attempts_of(task, input)
  local o = task.options
  local retry = o.retry or { max = 0 }
  local target, attempts = 0, 0
  while true do
    attempts = attempts + 1
    local code = input.plan[math.min(attempts, #input.plan)]
    if code == "ok" then return true, attempts, target, input end
    local again = attempts <= retry.max
    if again and retry.on then
      again = retry.on[1] == code
    elseif again then
      again = code == "retry" or not LASTING[code]
    end
    if not again then
      target = target + 1
      local fallback = (o.fallback or {})[target]
      if not fallback then return false, attempts, target end
      input = fallback.input or task.input
    end
  end
end

local function result(task, input, refs)
  local ok, attempts, target, last = attempts_of(task, input)
  if not ok then return { outcome = "error", attempts = attempts } end
  return { outcome = target > 0 and "fallback" or "ok", attempts = attempts,
           output = { n = last.id, refs = last == task.input and refs or nil } }
end

local verbs = {}

function verbs.task(task, _, _, refs) return result(task, task.input, refs) end

function verbs.each(task, path, all)
  local output, failed = {}, false
  for i, input in ipairs(task.list) do
    local child = result(task, input)
    all[path .. "/" .. i] = child
    output[i] = child.output or false
    failed = failed or child.outcome == "error"
  end
  if failed and task.options.on_error ~= "skip" then return { outcome = "error" } end
  return { outcome = "ok", output = output }
end

function verbs.loop(task, path, all)
  local wanted = math.tointeger(task["until"].lua:match "i >= (%d)")
  for i = 1, math.min(task.max, wanted) do
    local child = result(task, task.input)
    all[path .. "/" .. i] = child
    if child.outcome == "error" then return { outcome = "error" } end
  end
  return { outcome = "ok", output = { n = task.input.id } }
end

function verbs.ask(task) return { outcome = "ok", output = task.options.default } end

local follow

function verbs.sub(task, path, all, _, definition)
  local inner = definition.melodies[task.melody]
  if not follow(inner, path .. "/", all, definition) then return { outcome = "error", partial = true } end
  local last = all[path .. "/" .. inner.tasks[#inner.tasks].key]
  local ref = inner.outputs.n
  local value = last.output
  if value == nil then value = ref.absent elseif #ref["$ref"] > 1 then value = value.n end
  return { outcome = "ok", output = { n = value } }
end

--- What a reference gives: one value, or several when it is not known what is there first.
local function value_of(ref, from, certain)
  local n, absent = from.output, ref.absent
  if not n then return { absent } end
  if #ref["$ref"] > 1 then n = n.n end
  if certain and ref.edge ~= "optional" then return { n } end
  return { n, absent, several = true } -- nil: null
end

--- How many predecessors count for the join, and how many of them there are.
local function joined(task, all, prefix)
  local valued, count, after = 0, 0, {}
  for _, ref in ipairs(task.input and task.input.refs or {}) do after[#after + 1] = { ref["$ref"][1], ref.edge } end
  for _, key in ipairs(task.options.after or {}) do after[#after + 1] = { key, "hard" } end
  for _, edge in ipairs(after) do
    if edge[2] ~= "optional" then
      count = count + 1
      if all[prefix .. edge[1]].output ~= nil or edge[2] == "soft" then valued = valued + 1 end
    end
  end
  return valued, count
end

local function one(task, prefix, all, definition)
  local valued, count = joined(task, all, prefix)
  local join = task.options.join
  local needed = join == "any" and 1 or join or count
  if count > 0 and valued < needed then return { outcome = "skipped" } end
  local when = task.options.when and task.options.when.lua
  if when and when:find("false", 1, true) then return { outcome = "skipped" } end
  if when and when:find("nil", 1, true) then return { outcome = "error", attempts = 0 } end
  local refs = task.input and task.input.refs and {}
  for i, ref in ipairs(refs and task.input.refs or {}) do
    refs[i] = value_of(ref, all[prefix .. ref["$ref"][1]], join == nil)
  end
  return verbs[task.verb](task, prefix .. task.key, all, refs, definition)
end

--- False when a failure stops the melody.
function follow(melody, prefix, all, definition)
  local whole = true
  for _, task in ipairs(melody.tasks) do
    local r = one(task, prefix, all, definition)
    all[prefix .. task.key] = r
    if r.outcome == "error" and task.options.on_error ~= "skip" then whole = false end
  end
  return whole
end

---@param definition table
---@return table<string, table> expected by path
---@return boolean completes unless it is cancelled
function M.run(definition)
  local all = {}
  local whole = follow(definition, "", all, definition)
  return all, whole
end

return M
