--- A project in which generated melodies run, and the comparison of what they left with what they must come to.
---
---   local project = require "model_project".open()
---   local problem = project:try(definition, {cancel = n | pause = n})   -- after n steps; nil: as the reference says
---   project:close()
local embed = require "rpc.embed"
local json = require "sy.json"
local paths = require "kit.paths"
local reference = require "model_reference"
local support = require "support"

local MANIFEST = [[
[extension]
name = "chaos"
version = "0.1.0"
type = "operator"
description = "Fails and waits as its input says."
[operator]
operator_type = "test"
[operation.step]
doc = "Ends as `plan` says for this attempt."
effects = "write"
idempotent = true
[operation.undo]
doc = "Notes what it undoes."
effects = "write"
idempotent = true
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/**"]
]]

--- An attempt counts once nothing can interrupt it any more.
local CODE = [[
local fs, time = require "fs", require "time"
local function note(run, text) assert(fs.append("log/" .. run, text .. "\n")) end
return {
  step = function(input, ctx)
    local run, key = ctx.idempotency_key:match "^(.-):(.*)$"
    note(run, "start " .. key)
    if input.ms > 0 then time.sleep(input.ms / 1000) end
    local file = "log/" .. run .. "." .. key:gsub("/", ".")
    local attempt = #(fs.exists(file) and fs.read(file) or "") + 1
    assert(fs.append(file, "x"))
    note(run, "end " .. key)
    local code = input.plan[math.min(attempt, #input.plan)]
    if code == "ok" then return { n = input.id, refs = input.refs } end
    if code == "retry" then return ctx.retry "not yet" end
    return nil, "as planned", code
  end,
  undo = function(input, ctx)
    note(ctx.idempotency_key:match "^(.-):", "undo " .. input.key)
    return {}
  end,
}
]]

local Project = {}
Project.__index = Project

local M = {}

function M.open()
  local dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/chaos/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/chaos/init.lua", CODE)
  support.write_file(dir .. "/log/here", "")
  support.write_file(dir .. "/melodies/none.lua", "return require 'melody' 'none'")
  assert(support.symphony({ "trust" }, { cwd = dir }).code == 0)
  local session, why = embed.open(dir)
  assert(session, why and why.message)
  return setmetatable({ session = session, host = session.host, dir = dir }, Project)
end

function Project:close() self.host:close() end

--- Steps until the run has ended, or parked.
local function follow(self, id, steps)
  for i = 1, steps or 100000 do
    local state = assert(self.host:run_state(id))
    if state.status ~= "running" then return state end
    self.host:step(i < 20 and 1 or 10)
  end
  return nil
end

local function play(self, file, disturb)
  local run, why = embed.run(self.session, { melody = file, durability = "process" })
  if not run then return nil, "it does not start: " .. why.message end
  local state = follow(self, run.run, disturb.cancel or disturb.pause)
  if not state and disturb.cancel then self.host:cancel(run.run) end
  if not state and disturb.pause then self.host:pause(run.run) end
  state = state or follow(self, run.run)
  while state and (state.status == "paused" or state.status == "waiting") do -- the answer is due within a moment
    local again, failure = self.host:resume { run = run.run }
    if not again then return nil, "it does not resume: " .. tostring(failure.message or failure) end
    if disturb.cancel then self.host:cancel(run.run) end
    state = follow(self, run.run)
  end
  if not state then return nil, "it does not end" end
  return run.run, state
end

--- Whether a value is one that the reference allows.
local function fits(wanted, got)
  if type(wanted) == "table" and type(got) == "table" then
    for k, v in pairs(wanted) do
      if not fits(v, got[k]) then return false end
    end
    return true
  end
  if got == json.null then got = nil end
  return (wanted or nil) == got
end

--- References give one of several values; the rest is compared as it is.
local function output_fits(wanted, got)
  if type(wanted) ~= "table" then return fits(wanted, got) end
  if type(got) ~= "table" then return false end
  for i, allowed in ipairs(wanted.refs or {}) do
    local value = got.refs[i]
    if not fits(allowed[1], value) and not (allowed.several and fits(allowed[2], value)) then return false end
  end
  for k, v in ipairs(wanted) do
    if type(v) == "table" and not output_fits(v, got[k]) then return false end
  end
  return fits(wanted.n, got.n) and #wanted <= #got
end

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for k, v in pairs(value) do parts[#parts + 1] = tostring(k) .. "=" .. show(v) end
  return "{" .. table.concat(parts, " ") .. "}"
end

local function says(row, wanted)
  return ("%s: %s after %s attempts, %s; expected %s after %s, %s"):format(row.key, row.outcome, row.attempts,
    row.output, wanted.outcome, wanted.attempts, show(wanted.output))
end

local DONE = { ok = true, fallback = true }

--- What a stop may do to a task: it is let go of, or it fails without being tried again.
local function may_stop(row, wanted)
  if row.outcome == "cancelled" or row.outcome == "skipped" and row.attempts == 0 then return true end
  return row.outcome == "error" and (not wanted.attempts or row.attempts < wanted.attempts)
end

local function compare_row(row, wanted, stopped)
  if row.outcome == json.null then return not stopped and row.key .. " has not ended" or nil end
  if stopped and may_stop(row, wanted) then return nil end
  local outcome = row.outcome == "compensated" and DONE[wanted.outcome] and wanted.outcome or row.outcome
  if outcome ~= wanted.outcome then return says(row, wanted) end
  if wanted.attempts and wanted.attempts ~= row.attempts then return says(row, wanted) end
  if DONE[outcome] and not output_fits(wanted.output, json.decode(row.output)) then return says(row, wanted) end
end

local function within_partial(expected, key)
  for above in key:gmatch "()/" do
    local owner = expected[key:sub(1, above - 1)]
    if owner and owner.partial then return true end
  end
  return false
end

local function compare(rows, expected, completed)
  local seen = {}
  for _, row in ipairs(rows) do
    seen[row.key] = row
    local wanted = expected[row.key]
    if not wanted and not row.key:find("/compensate", 1, true) then return row.key .. " should not exist" end
    local problem = wanted and compare_row(row, wanted, not completed or within_partial(expected, row.key))
    if problem then return problem end
  end
  for key in pairs(expected) do
    if completed and not seen[key] and not within_partial(expected, key) then return key .. " is missing" end
  end
  return nil, seen
end

--- The last end of each task comes before the first start of what waits for it; undone once, and only what was done.
local function compare_log(self, id, definition, rows, state)
  local at, starts, ends, undone = 0, {}, {}, {}
  for word, key in (support.read_file(self.dir .. "/log/" .. id) or ""):gmatch "(%a+) (%S+)\n" do
    at = at + 1
    if word == "start" then starts[key] = starts[key] or at end
    if word == "end" then ends[key] = at end
    if word == "undo" then
      if undone[key] then return key .. " is undone twice" end
      undone[key] = at
    end
  end
  local undoes = false
  for _, task in ipairs(definition.tasks) do
    local row = rows[task.key]
    undoes = undoes or task.options.on_error == "compensate" and row and row.outcome == "error"
    for _, ref in ipairs(task.options.join == nil and task.input and task.input.refs or {}) do
      local from = ref["$ref"][1]
      if ref.edge ~= "optional" and starts[task.key] and ends[from] and ends[from] > starts[task.key] then
        return ("%s began before %s ended"):format(task.key, from)
      end
      if ref.edge == "hard" and undone[from] and undone[task.key] and undone[from] < undone[task.key] then
        return ("%s was undone before %s"):format(from, task.key)
      end
    end
  end
  for _, task in ipairs(state == "failed" and undoes and definition.tasks or {}) do
    local row = rows[task.key]
    local done = row and (DONE[row.outcome] or row.outcome == "compensated") and task.options.compensate
    if done and not undone[task.key] then return task.key .. " is not undone" end
    if undone[task.key] and not done then return task.key .. " is undone, but it was not done" end
  end
end

--- Whether pausing cut a call between its note and its end: its next attempt is another than its row says.
local function cut_short(self, id, rows)
  for _, row in ipairs(rows) do
    local noted = support.read_file(("%s/log/%s.%s"):format(self.dir, id, (row.key:gsub("/", ".")))) or ""
    if #noted > row.attempts then return true end
  end
  return false
end

local ROWS = [[SELECT key, task_status, outcome, attempts, output FROM task
WHERE pipeline_orchestration_id = ?1 AND key <> '']]

local function listing(self, id)
  local lines = {}
  for _, row in ipairs(self.host:query(ROWS, { id })) do
    lines[#lines + 1] = ("  %s %s %s %s"):format(row.key, row.task_status, row.outcome, row.attempts)
  end
  return table.concat(lines, "\n")
end

---@param definition table
---@param disturb { cancel: integer?, pause: integer? }
---@return string? problem
function Project:try(definition, disturb)
  local file = self.dir .. "/melodies/model.json"
  support.write_file(file, json.encode(definition))
  local id, state = play(self, file, disturb)
  if not id then return state end
  local found = self.host:query(ROWS, { id })
  if disturb.pause and cut_short(self, id, found) then return nil end
  local expected, whole = reference.run(definition)
  local ends = whole and "completed" or "failed"
  if state.status ~= ends and not (disturb.cancel and state.status == "cancelled") then
    return ("it is %s, expected %s: %s\n%s"):format(state.status, ends, state.error and state.error.message,
      listing(self, id))
  end
  local problem, rows = compare(found, expected, state.status == "completed")
  problem = problem or compare_log(self, id, definition, rows, state.status)
  return problem and problem .. "\n" .. listing(self, id)
end

return M
