--- A melody with everything in it, killed at random moments and resumed until it has ended.
---
---   local storm = require "storm".new(random)   -- random: math.random of one seed
---   storm:calm()                                -- one undisturbed run: what the others must equal, how long it takes
---   storm:round()                               -- one run, killed once or more often; → kills
---   storm:check()                               -- what all of them left behind

local assert = require "luassert"
local core = require "sy.core"
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MELODY = [[
local melody = require "melody"
local m = melody "storm"
local tag = m:param("tag", { type = "string" })
local found = m:task("found", "file.glob", { pattern = "in/*.txt" })
local texts = m:each("texts", found.files, "file.read", function(file, index)
  if index == 5 then return { path = "in/gone.txt" } end
  return { path = file.path }
end, { max_parallel = 3, on_error = "skip" })
local copies = m:each("copies", texts, "file.write", function(text, index)
  return { path = "out/" .. index .. ".txt", content = type(text) == "table" and text.content or "none" }
end)
local steps = m:each("steps", { "a", "b", "c", "d" }, "slow.step", function(name) return { name = name } end,
  { max_parallel = 2 })
local large = m:task("large", "file.read", { path = "in/large" })
local never = m:task("never", "file.read", { path = "in/1.txt" }, { when = "#found.files > 1000" })
local fails = m:task("fails", "file.read", { path = "in/gone.txt" },
  { retry = { max = 2, backoff = "fixed", delay = "20ms" }, on_error = "skip" })
local other = m:task("other", "file.read", { path = "in/gone.txt" },
  { retry = { max = 1, delay = "10ms" }, fallback = { { "file.read", { path = "in/2.txt" } } } })
local effect = m:task("effect", "process.run",
  { argv = { "sh", "-c", "echo done >>\"effects.$0\"; cat in/3.txt", tag } }, { after = { copies } })
local report = m:task("report", "report.write", { title = "Storm", checks = melody.soft(fails, {}),
  notes = m.text "{other.content} {large.content} {effect.stdout}", diff = melody.soft(never.content, "never") })
m:output("texts", texts)
m:output("copies", copies)
m:output("steps", steps)
m:output("large", large)
m:output("fails", melody.soft(fails, "failed"))
m:output("never", melody.soft(never, "never"))
m:output("other", other.content)
m:output("effect", effect.stdout)
m:output("report", report)
return m
]]

local MANIFEST = [[
[extension]
name = "slow"
version = "0.1.0"
type = "operator"
description = "Writes a file, and takes its time; again does no harm."
[operator]
operator_type = "test"
[operation.step]
doc = "Writes a file."
effects = "write"
idempotent = true
[capabilities]
fs.write = ["$PROJECT/**"]
]]

local CODE = [[
local fs, time = require "fs", require "time"
return { step = function(input, ctx)
  time.sleep(0.01)
  assert(fs.write("step." .. input.name, input.name))
  time.sleep(0.01)
  return { name = input.name, ref = ctx.artifact("test", input.name:rep(20000), { name = input.name }).size }
end }
]]

local FILES, LARGE, LEVELS = 12, 90000, { "full", "process" }

local Storm = {}
Storm.__index = Storm

local M = {}

local function project()
  local dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/storm.lua", MELODY)
  support.write_file(dir .. "/extensions/slow/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/slow/init.lua", CODE)
  for i = 1, FILES do support.write_file(("%s/in/%d.txt"):format(dir, i), "text " .. i) end
  support.write_file(dir .. "/in/large", ("0123456789"):rep(LARGE // 10))
  return dir
end

---@param random fun(a: integer, b: integer): integer
function M.new(random)
  local self = setmetatable({ random = random, dir = project(), runs = 0, rounds = 0, kills = 0, asked = {} }, Storm)
  self:symphony(0, "trust")
  return self
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

function Storm:calm()
  local began = support.now_ms()
  local r = self:symphony(0, table.unpack(command(self)))
  self.duration = support.now_ms() - began
  self.outputs = plain(json.decode(r.out).outputs)
  self.runs = self.runs + 1
end

--- Starts a command and kills it, and what it started, at a random moment. Whether it had ended by then.
local function disturbed(self, argv)
  local c = support.start_symphony(argv, { cwd = self.dir })
  local moment = self.random(0, self.duration)
  local ended = c.raw:wait(moment)
  if not ended then
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
  error("exit 5, but no task is uncertain")
end

--- Resumes until the run has ended; a task that may have taken effect is asked for once more.
local function finish(self, number)
  local r = self:symphony(nil, "resume", number, "--json")
  local asked = 0
  while r.code == 5 do
    asked = asked + 1
    r = self:symphony(nil, "resume", number, "--retry", uncertain(json.decode(r.out)), "--json")
  end
  if r.code ~= 0 then error(("resume %s: %s\n%s%s"):format(number, r.code or r.signal, r.out, r.err)) end
  return json.decode(r.out), asked
end

local function count_runs(self)
  return #json.decode(self:symphony(0, "runs", "--json").out).runs
end

--- How often the effect of a round happened.
local function effects(self, tag)
  local text = support.read_file(("%s/effects.%d"):format(self.dir, tag)) or ""
  return select(2, text:gsub("\n", ""))
end

function Storm:round()
  local argv = command(self)
  local tag = self.rounds
  local ended = disturbed(self, argv)
  if count_runs(self) == self.runs then -- killed before the run was acknowledged: there is nothing to resume
    assert(not ended and effects(self, tag) == 0)
    self:symphony(0, table.unpack(argv))
  end
  self.runs = self.runs + 1
  local number = tostring(self.runs)
  for _ = 1, self.random(0, 2) do
    if ended then break end
    ended = disturbed(self, { "resume", number })
  end
  local document, asked = finish(self, number)
  assert.equal("completed", document.status)
  assert.equal(self.runs, document.number)
  assert.same(self.outputs, plain(document.outputs))
  local times = effects(self, tag)
  assert(times >= 1 and times <= 1 + asked, ("%d effects, %d asked for"):format(times, 1 + asked))
end

--- Written files, artifacts, rows and events, after all rounds.
function Storm:check()
  for i = 1, FILES do assert.is_truthy(support.read_file(("%s/out/%d.txt"):format(self.dir, i))) end
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
