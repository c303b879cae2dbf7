--- A melody with everything in it, killed at random moments and resumed until it has ended.
---
---   local storm = require "storm".new(random)   -- random: math.random of one seed
---   storm:calm()                                -- one undisturbed run: what the others must equal, how long it takes
---   storm:round()                               -- one run, killed once or more often
---   storm:round({point = NAME, passes = n})     -- one run, killed the n-th time that it passes a named point
---   storm.points()                              -- all of them, as the source has them
---   storm.passed                                -- how often the undisturbed run passed each
---   storm:check()                               -- what all of them left behind

local assert = require "luassert"
local core = require "sy.core"
local json = require "sy.json"
local storm_project = require "storm_project"
local support = require "support"

local LEVELS = { "full", "process" }

local Storm = {}
Storm.__index = Storm

local M = {}

---@param random fun(a: integer, b: integer): integer
function M.new(random)
  local self = setmetatable({ random = random, dir = storm_project.make(), runs = 0, rounds = 0, kills = 0 }, Storm)
  self:symphony(0, "trust")
  return self
end

--- Another project for the same melody: a run in it is its first.
function Storm:fresh()
  local other = M.new(self.random)
  other.duration, other.outputs, other.passed = self.duration, self.outputs, self.passed
  return other
end

function Storm:symphony(code, ...)
  local r = support.symphony({ ... }, { cwd = self.dir, timeout_s = 120 })
  if r.code ~= code and code then
    error(("symphony %s: %s instead of %d\n%s%s"):format(table.concat({ ... }, " "), r.code or r.signal, code, r.out,
      r.err), 2)
  end
  return r
end

--- References without the id of their row, which is another for each production.
local function plain(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do
    if not (key == "id" and value["$artifact"]) then copy[key] = plain(item) end
  end
  return copy
end

local function command(self)
  self.rounds = self.rounds + 1
  local level = LEVELS[self.random(1, #LEVELS)]
  return { "run", "storm", "-p", "tag=" .. self.rounds, "--durability", level, "--json" }
end

--- Starts a command and kills it, and what it started, at a random moment or at a named point. Whether it had ended by
--- then.
local function disturbed(self, argv, at)
  local env = at and { SYMPHONY_CRASH_POINT = ("%s:%d"):format(at.point, at.passes) }
  local c = support.start_symphony(argv, { cwd = self.dir, env = env })
  local moment = at and 60000 or self.random(0, self.duration)
  local ended = c.raw:wait(moment)
  if ended and select(2, c.raw:code()) == 9 then
    self.kills = self.kills + 1
    ended = false
    c:kill("KILL", true)
  elseif not ended then
    c:kill("KILL", true)
    self.kills = self.kills + 1
    assert(c:wait(10), "it survived SIGKILL")
  end
  c.raw:free()
  return ended
end

--- Which task waits to be told whether it took effect.
local function uncertain(document)
  for _, task in ipairs(document.tasks) do
    if type(task.error) == "table" and task.error.code == "effect_uncertain" then return task.key end
  end
  return nil -- the question's time is up in a moment
end

--- Resumes until the run has ended; a task that may have taken effect is asked for once more.
local function finish(self, number)
  local r = self:symphony(nil, "resume", number, "--json")
  local asked = 0
  while r.code == 5 do
    local key = uncertain(json.decode(r.out))
    asked = asked + (key and 1 or 0)
    r = self:symphony(nil, "resume", number, "--json", table.unpack(key and { "--retry", key } or {}))
  end
  if r.code ~= 0 then error(("resume %s: %s\n%s%s"):format(number, r.code or r.signal, r.out, r.err)) end
  return json.decode(r.out), asked
end

function Storm:calm()
  local began, log = support.now_ms(), self.dir .. "/passed"
  local argv = command(self)
  support.symphony(argv, { cwd = self.dir, timeout_s = 120, env = { SYMPHONY_CRASH_LOG = log } })
  self.runs = 1
  self.duration = support.now_ms() - began
  local document = finish(self, "1")
  self.outputs = plain(document.outputs)
  self.passed = {}
  for name in (support.read_file(log) or ""):gmatch "[^\n]+" do self.passed[name] = (self.passed[name] or 0) + 1 end
end

local function count_runs(self)
  return #json.decode(self:symphony(0, "runs", "--json").out).runs
end

--- What the effects of a round have left, line by line.
local function effects(self, name, tag)
  return support.read_file(("%s/%s.%d"):format(self.dir, name, tag)) or ""
end

local function times(text, word) return select(2, text:gsub(word .. "\n", "")) end

--- Each effect happened, and no more often than it was asked for.
local function check_effects(self, tag, asked)
  local outer, inner = effects(self, "effects", tag), effects(self, "inner", tag)
  local counts = { times(outer, "done"), times(inner, "%f[%a]done"), times(inner, "undone") }
  local repeats = counts[1] + counts[2] + counts[3] - 3
  assert(math.min(table.unpack(counts)) >= 1 and repeats <= asked,
    ("%d, %d and %d effects, %d of them asked for again"):format(counts[1], counts[2], counts[3], asked))
  assert(inner:match "undone\n$", "what failed is not undone at last")
end

--- Every named point of the source.
function M.points()
  local names = {}
  local found = support.run { "grep", "-rhoE", 'SY__CRASH_POINT\\("[^"]+"\\)', support.root .. "/core" }
  for name in found.out:gmatch '"([^"]+)"' do names[#names + 1] = name end
  table.sort(names)
  return names
end

---@param at? { point: string, passes: integer }
function Storm:round(at)
  local argv = command(self)
  local tag = self.rounds
  local ended = disturbed(self, argv, at)
  if count_runs(self) == self.runs then -- killed before the run was acknowledged: there is nothing to resume
    assert(not ended, "it ended without a run")
    assert(effects(self, "effects", tag) == "", "an effect of a run that nobody knows of")
    self:symphony(nil, table.unpack(argv))
  end
  self.runs = self.runs + 1
  local number = tostring(self.runs)
  for _ = 1, self.random(0, 2) do
    if ended then break end
    ended = disturbed(self, { "resume", number }, at)
  end
  local document, asked = finish(self, number)
  assert.equal("completed", document.status)
  assert.equal(self.runs, document.number)
  assert.same(self.outputs, plain(document.outputs))
  check_effects(self, tag, asked)
end

--- Written files, artifacts, rows and events, after all rounds.
function Storm:check()
  for i = 1, storm_project.FILES do assert.is_truthy(support.read_file(("%s/out/%d.txt"):format(self.dir, i))) end
  assert.same({}, json.decode(self:symphony(0, "artifact", "verify", "--json").out).damaged)
  assert.equal(self.runs, count_runs(self))
  local host = assert(core.open { project = self.dir })
  local function first(sql) return select(2, next(host:query(sql, {})[1])) end
  assert.equal("ok", first "PRAGMA integrity_check")
  assert.same({}, host:query("PRAGMA foreign_key_check", {}))
  assert.same({}, host:query([[SELECT key, operation, task_status, pipeline_orchestration_id AS run FROM task
    WHERE task_status IN ('dispatched', 'executing')]], {}))
  assert.equal(0, first "SELECT count(*) FROM pipeline_orchestration WHERE status <> 'completed'")
  assert.equal(0, first "SELECT count(*) - max(seq) FROM event")
  assert.equal(1, first "SELECT min(seq) FROM event")
  host:close()
end

return M
