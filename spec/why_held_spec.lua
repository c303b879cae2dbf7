--- What `symphony why` says of a task while it is held back: asked of another process, and after that one was killed.
local json = require "sy.json"
local support = require "support"

local trial = require "trial".new "meter"
local document = trial.document

before_each(trial.open)

local function melody(body) trial.melody("v", body) end

--- The first reason of a task of run 1 that is of this kind; nil.
local function held(key, kind)
  local result = trial.symphony("why", "1", key, "--json")
  if result.code ~= 0 then return nil end
  for _, one in ipairs(document(result).tasks[1].reasons) do
    if one.kind == kind then return one end
  end
end

--- Waits until `why` gives such a reason, whose text has `pattern`.
local function await(key, kind, pattern)
  local found
  support.wait_until(function()
    found = held(key, kind)
    return found ~= nil and found.text:find(pattern) ~= nil
  end, 20)
  return found
end

local function said(key) return trial.symphony("why", "1", key).out end

--- Two processes that end when `go` is there; `options` are of both.
local function both(options)
  return ([[
m:each("c", { 1, 2 }, "process.run", function()
  return { argv = { "sh", "-c", "while ! test -e go; do sleep 0.02; done" } }
end, %s)]]):format(options)
end

local function arbitrations()
  local db = require("sy.core").open { project = trial.dir, user_dir = trial.dir .. "/user" }
  local rows = db:query([[
SELECT p.operation_context ->> '$.decision' AS decision, p.operation_context ->> '$.waited_ms' AS ms FROM pit_operation p
JOIN task t ON t.id = p.task_id WHERE t.key = 'c/2' AND p.operation_type = 'arbitration'
AND p.operation_context ->> '$.decision' <> 'immediate' ORDER BY p.id]], {})
  db:close()
  return rows
end

describe("why, while a task is held back", function()
  it("names the key that is taken; one row holds the wait from then to its end", function()
    melody(both '{ key = "gpu" }')
    local c = trial.start("run", "v")
    local one = await("c/2", "waits", "it waits at key gpu %(1 at a time%), for [%d.]+ s now")
    assert.equal("waiting", one.decision)
    assert.is_true(one.ms >= 100)
    assert.equal("pending", document(trial.symphony("why", "1", "c/2", "--json")).tasks[1].verdict)
    assert.equal(1, #arbitrations())
    trial.go()
    assert.equal(0, assert(c:wait(20)).code)
    assert.matches("it waited %d+ ms at key gpu", said "c/2")
    assert.not_matches("now", said "c/2")
    local rows = arbitrations()
    assert.same({ 1, "granted" }, { #rows, rows[1].decision })
    assert.is_true(rows[1].ms >= one.ms - 100)
  end)

  it("knows after a kill what it was, and goes on", function()
    melody(both '{ key = "gpu" }')
    local c = trial.start("run", "v")
    await("c/2", "waits", "key gpu")
    c:kill("KILL", true)
    assert(c:wait(10))
    assert.matches("it waited at key gpu %(1 at a time%)\n", said "c/2")
    assert.matches("the process of run #1 has ended: symphony resume 1", said "c/2")
    trial.go()
    local doc = document(trial.symphony("resume", "1", "--retry", "c", "--json"))
    assert.equal("completed", doc.status)
  end)

  it("says that it waited when it was cancelled meanwhile", function()
    melody(both '{ key = "gpu" }')
    local c = trial.start("run", "v")
    await("c/2", "waits", "key gpu")
    assert.equal(0, trial.symphony("cancel", "1").code)
    assert(c:wait(20))
    assert.matches("it waited at key gpu", said "c/2")
    assert.matches("the run was cancelled", said "c/2")
  end)

  it("names the rate", function()
    melody(both '{ rate = { count = 1, per = "1h" } }')
    local c = trial.start("run", "v")
    await("c/2", "waits", "at rate v%.c %(one every 3600000%.000 ms, bursts of 1%)")
    c:kill("KILL", true)
  end)

  it("names the limit of an extension", function()
    assert.equal(0, trial.symphony("config", "set", "limits.extension.process.parallel", "1").code)
    melody(both "{}")
    local c = trial.start("run", "v")
    await("c/2", "waits", "at extension process %(1 at a time%)")
    c:kill("KILL", true)
  end)

  it("names the slots of the run and of the host, and the priority", function()
    melody [[
local argv = { "sh", "-c", "while ! test -e go; do sleep 0.02; done" }
m:task("a", "process.run", { argv = argv }, { priority = 1 })
m:task("b", "process.run", { argv = argv }, { priority = -2 })]]
    local c = trial.start("run", "v", "--parallel", "1")
    await("b", "waits", "for a slot of its run %(1 tasks at a time%), with priority %-2")
    trial.go()
    assert.equal(0, assert(c:wait(20)).code)
    os.remove(trial.dir .. "/go")
    assert.equal(0, trial.symphony("config", "set", "limits.tasks", "1").code)
    c = trial.start("run", "v")
    support.wait_until(function()
      return trial.symphony("why", "2", "b").out:find("for its turn on this host (1 at a time), with priority -2", 1, true)
    end, 20)
    trial.go()
    assert.equal(0, assert(c:wait(20)).code)
  end)

  it("names the budget for whose rest it waits", function()
    melody [[m:each("c", { 1, 2 }, "meter.ask", function() return { usd = 0.05, wait = "go" } end)]]
    local c = trial.start("run", "v", "--budget", "0.25usd")
    local key
    support.wait_until(function()
      for _, one in ipairs { "c/1", "c/2" } do key = held(one, "waits") and one or key end
      return key ~= nil
    end, 20)
    assert.matches("it waits for room for 0.1 usd in the budget of the run: 0 usd spent and 0.1 usd reserved of 0.25 usd",
      held(key, "waits").text, 1, true)
    trial.go()
    assert.equal(0, assert(c:wait(20)).code)
    assert.matches("it waited for room", said(key))
    assert.is_nil(held(key, "waits"))
  end)

  it("says what a person has to decide, also when the run has parked", function()
    melody [[
m:ask("q", "May I?", { type = "boolean" })
m:task("dear", "meter.ask", { usd = 0.1 }, { budget = { usd = 0.05, on_breach = "ask" } })
m:task("bad", "process.run", { argv = { "false" }, check = true }, { on_error = "ask" })
m:sub("f", "naps", {})]]
    support.write_file(trial.dir .. "/melodies/naps.lua",
      'return require("melody").flow("naps", function(run) run:sleep "1h" end)')
    assert.equal(5, trial.symphony("run", "v").code)
    assert.matches("it waits for an answer: May I? [true|false]   symphony answer 1 q true", said "q", 1, true)
    assert.equal("question", held("q", "question").kind)
    assert.matches("it waits for a decision: the budget of `dear` is 0.05 usd", held("dear", "decision").text, 1, true)
    assert.matches("it waits for a decision: false exited with 1", held("bad", "decision").text, 1, true)
    assert.matches("symphony resume 1 --retry bad", said "bad", 1, true)
    assert.matches("it sleeps until %d+%-%d+%-%d+ ", held("f/flow/sleep", "sleep").text)
  end)

  it("says when the next attempt begins", function()
    melody [[
m:task("a", "process.run", { argv = { "false" }, check = true }, { retry = { max = 1, delay = "1h", jitter = 0 } })
m:task("b", "file.list", { path = "." }, { after = { "a" } })]]
    local c = trial.start("run", "v")
    local one = await("a", "delay", "attempt 2 begins in [%d.]+ s")
    assert.is_true(one.ms > 3000000 and one.ms <= 3600000)
    assert.matches("attempt 1 failed and is to be tried again: process_failed", said "a")
    assert.equal("it waits for `a`", held("b", "predecessor").text)
    c:kill("KILL", true)
    assert(c:wait(10))
    assert.is_nil(held("a", "delay"))
    assert.matches("the process of run #1 has ended", said "a")
  end)
end)

describe("why, of many that wait for one thing", function()
  it("finds each of them", function()
    melody [[
local list = {}
for i = 1, 600 do list[i] = i end
m:each("c", list, "process.run", function()
  return { argv = { "sh", "-c", "while ! test -e go; do sleep 0.02; done" } }
end, { key = "gpu" })]]
    local c = trial.start("run", "v", "--parallel", "600")
    await("c/600", "waits", "at key gpu")
    local list = document(trial.symphony("why", "1", "c/*", "--json")).tasks
    assert.equal(600, #list)
    local waiting = 0
    for _, task in ipairs(list) do
      for _, one in ipairs(task.reasons) do waiting = waiting + (one.kind == "waits" and 1 or 0) end
    end
    assert.equal(599, waiting)
    assert.equal(json.null, list[600].outcome)
    c:kill("KILL", true)
  end)
end)
