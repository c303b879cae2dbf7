--- A melody with everything in it, killed at random moments and resumed until it has ended.
---
---   local storm = require "storm".new(random)   -- random: math.random of one seed
---   storm:calm()                                -- one undisturbed run: what the others must equal, how long it takes
---   storm:round()                               -- one run, killed once or more often
---   storm:round({point = NAME, passes = n})     -- one run, killed the n-th time that it passes a named point
---   storm:fork()                                -- a fork of an earlier run, killed and resumed, too
---   storm:sweep({point = NAME, passes = n})     -- a gc, killed there
---   storm.points()                              -- all of them, as the source has them
---   storm.passed, storm.swept                   -- how often the undisturbed run, and an undisturbed gc, passed each
---   storm:check()                               -- what all of them left behind (storm_check.lua)

local aged = require "aged"
local assert = require "luassert"
local check = require "storm_check"
local company = require "storm_company"
local json = require "sy.json"
local storm_project = require "storm_project"
local support = require "support"

local LEVELS = { "full", "process" }
local QUESTION, ANSWER = "walk/flow/which", "3"
local FORKED = { "large", "report", "steps/2", company.TALK } -- nothing that must not be repeated comes after them
local MOST_RESUMES = 30

local Storm = {}
Storm.__index = Storm

local M = {}

---@param random fun(a: integer, b: integer): integer
---@param crowded? boolean older runs are removed, exported, read and forked meanwhile
function M.new(random, crowded)
  local self = setmetatable({ random = random, crowded = crowded, dir = storm_project.make(), first = 1, done = 0,
    ended = 0, rounds = 0, kills = 0, exports = 0, tags = {}, kept = {} }, Storm)
  self:symphony(0, "trust")
  return self
end

--- Another project for the same melody: a run in it is its first.
function Storm:fresh()
  local other = M.new(self.random, self.crowded)
  other.duration, other.outputs, other.passed, other.swept = self.duration, self.outputs, self.passed, self.swept
  return other
end

function Storm:symphony(code, ...)
  local r = support.symphony({ ... }, { cwd = self.dir, env = company.ENV, timeout_s = 120 })
  if r.code ~= code and code then
    error(("symphony %s: %s instead of %d\n%s%s"):format(table.concat({ ... }, " "), r.code or r.signal, code, r.out,
      r.err), 2)
  end
  return r
end

--- The runs there are, the latest first.
function Storm:list() return json.decode(self:symphony(0, "runs", "--json").out).runs end

--- References without the id of their row, which is another for each production.
local function plain(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do
    if not (key == "id" and value["$artifact"]) then copy[key] = plain(item) end
  end
  return copy
end

Storm.plain = plain

local function command(self)
  self.rounds = self.rounds + 1
  local level = LEVELS[self.random(1, #LEVELS)]
  return { "run", "storm", "-p", "tag=" .. self.rounds, "--durability", level, "--json" }
end

--- What a command ended with, killed at a random moment or at a named point with all that it started: then nil.
local function code_of(self, c, at)
  local ended = c.raw:wait(at and 60000 or self.random(0, self.duration))
  local code, signal = c.raw:code()
  if ended and signal ~= 9 then return code end
  c:kill("KILL", true)
  assert(c:wait(10), "it survived SIGKILL")
  self.kills = self.kills + 1
  return nil
end

local function disturbed(self, argv, at)
  local env = { SYMPHONY_CRASH_POINT = at and ("%s:%d"):format(at.point, at.passes) or nil }
  for name, value in pairs(company.ENV) do env[name] = value end
  local c = support.start_symphony(argv, { cwd = self.dir, env = env })
  local others = self.crowded and not at and company.start(self)
  local code = code_of(self, c, at)
  if others then others:leave() end
  c.raw:free()
  return code
end

--- Which task waits to be told whether it took effect.
local function uncertain(document)
  for _, task in ipairs(document.tasks) do
    if type(task.error) == "table" and task.error.code == "effect_uncertain" then return task.key end
  end
  return nil
end

--- What goes on with a run that waits: an answer, or the word that an effect may happen again.
local function go_on(number, document)
  local key = uncertain(document)
  if key then return { "resume", number, "--json", "--retry", key }, true end
  for _, one in ipairs(document.waiting) do
    if one.task == QUESTION then return { "answer", number, QUESTION, ANSWER, "--json" }, false end
  end
  return { "resume", number, "--json" }, false -- the time of the other question is up in a moment
end

--- Resumes until the run has ended; a task that may have taken effect is asked for once more.
local function finish(self, number)
  local r = self:symphony(nil, "resume", number, "--json")
  local asked = 0
  for _ = 1, MOST_RESUMES do
    if r.code ~= 5 then break end
    local argv, again = go_on(number, json.decode(r.out))
    asked = asked + (again and 1 or 0)
    r = self:symphony(nil, table.unpack(argv))
  end
  if r.code ~= 0 then error(("resume %s: %s\n%s%s"):format(number, r.code or r.signal, r.out, r.err)) end
  return json.decode(r.out), asked
end

--- How often each point was passed by a command of which nothing is expected but that.
local function passed_by(self, argv)
  local log, counts = self.dir .. "/passed." .. argv[1], {}
  support.symphony(argv, { cwd = self.dir, timeout_s = 120,
    env = { SYMPHONY_CRASH_LOG = log, SYMPHONY_RUNS_KEEP = "1" } })
  for name in (support.read_file(log) or ""):gmatch "[^\n]+" do counts[name] = (counts[name] or 0) + 1 end
  return counts
end

function Storm:calm()
  local began = support.now_ms()
  self.passed = passed_by(self, command(self))
  self.duration = support.now_ms() - began
  self.done, self.ended, self.tags[1] = 1, 1, 1
  self.outputs = plain(finish(self, "1").outputs)
  if not self.crowded then return end
  self:symphony(nil, table.unpack(command(self)))
  self.done, self.ended, self.tags[2] = 2, 2, self.rounds
  finish(self, "2")
  aged(self.dir, true)
  self.swept, self.first = passed_by(self, { "gc" }), 2
end

--- Every named point of the source.
function M.points()
  local names = {}
  local found = support.run { "grep", "-rhoE", 'SY__CRASH_POINT\\("[^"]+"\\)', support.root .. "/core" }
  for name in found.out:gmatch '"([^"]+)"' do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The number of the latest run, which nothing removes.
local function latest(self)
  local list = self:list()
  return list[1] and list[1].number or 0
end

--- Until a run has ended, with what began it killed and perhaps what resumes it, too.
local function through(self, code, at)
  self.done = self.done + 1
  local number = tostring(self.done)
  for _ = 1, self.random(0, 2) do
    if code == 0 then break end
    code = disturbed(self, code == 5 and { "answer", number, QUESTION, ANSWER } or { "resume", number }, at)
  end
  local document, asked = finish(self, number)
  assert.equal("completed", document.status)
  assert.equal(self.done, document.number)
  assert.same(self.outputs, plain(document.outputs))
  self.ended = self.done
  return asked
end

---@param at? { point: string, passes: integer }
function Storm:round(at)
  if self.crowded and self.done > 0 then aged(self.dir, true) end
  local argv = command(self)
  local tag = self.rounds
  local code = disturbed(self, argv, at)
  if latest(self) == self.done then -- killed before the run was acknowledged: there is nothing to resume
    assert(not code, "it ended without a run")
    assert(check.left(self, "effects", tag) == "", "an effect of a run that nobody knows of")
    code = self:symphony(nil, table.unpack(argv)).code
  end
  self.tags[self.done + 1] = tag
  check.effects(self, tag, through(self, code, at))
end

--- A fork of a run that may just be removed: it is there whole, or not at all, and repeats no effect.
function Storm:fork()
  aged(self.dir, true)
  local list = self:list()
  local source = list[self.random(1, #list)].number
  local tag = self.tags[source]
  local function effects() return check.left(self, "effects", tag) .. check.left(self, "walk", tag) end
  local before = effects()
  local from = FORKED[self.random(1, #FORKED)]
  local code = disturbed(self, { "fork", tostring(source), "--from", from, "--yes", "--json" })
  if latest(self) == self.done then
    assert(not code or self:symphony(nil, "show", tostring(source)).code == 4)
    return
  end
  self.tags[self.done + 1], self.kept[self.done + 1] = tag, from ~= company.TALK
  assert.equal(0, through(self, code))
  assert.equal(before, effects())
end

---@param at { point: string, passes: integer }
function Storm:sweep(at)
  aged(self.dir, true)
  disturbed(self, { "gc" }, at)
end

function Storm:check() check.all(self) end

return M
