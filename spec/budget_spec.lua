--- Budgets, with a metered operation whose charge is known only after the call: spec/fixtures/extensions/meter.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local METER = (os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/fixtures/extensions/meter"

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function melody(body, name)
  name = name or "spend"
  support.write_file(("%s/melodies/%s.lua"):format(dir, name),
    ('local m = require "melody" "%s"\n%s\nreturn m\n'):format(name, body))
end

local function document(result)
  return assert(json.decode(result.out), result.out .. result.err)
end

local function run(...)
  local result = symphony("run", "spend", "--json", ...)
  return document(result), result
end

local function task_of(doc, key)
  for _, task in ipairs(doc.tasks) do
    if task.key == key then return task end
  end
  error("no task " .. key)
end

local function count(doc, test)
  local n = 0
  for _, task in ipairs(doc.tasks) do n = n + (test(task) and 1 or 0) end
  return n
end

local function ok(task) return task.outcome == "ok" end

local function refused(task)
  return task.status == "failed" and task.error ~= json.null and task.error.code == "budget_exceeded"
end

--- Decisions of the arbiter about budgets, in their order; of one run when its document is given.
local function decisions(doc)
  local list, ids = {}, {}
  local rows = document(symphony("data", "pit_operation", "--json", "--limit", "100000")).rows or {}
  for _, task in ipairs(doc and doc.tasks or {}) do ids[task.id] = true end
  table.sort(rows, function(a, b) return a.id < b.id end)
  for _, row in ipairs(rows) do
    local context = type(row.operation_context) == "string" and json.decode(row.operation_context)
      or row.operation_context
    if tostring(context.decision):match "^budget" and (not doc or ids[row.task_id]) then
      list[#list + 1] = context
      context.used = type(row.resource_allocations) == "string" and json.decode(row.resource_allocations)
        or row.resource_allocations
    end
  end
  return list
end

local function near(expected, got)
  assert.is_true(math.abs(expected - got) < 1e-9, ("%s is not %s"):format(got, expected))
end

before_each(function()
  dir = paths.real(support.tmpdir())
  for _, name in ipairs { "Symphony.toml", "init.lua" } do
    support.write_file(dir .. "/extensions/meter/" .. name, support.read_file(METER .. "/" .. name))
  end
  melody ""
  assert.equal(0, symphony("trust").code)
end)

local CHAIN = [[
local last
for i = 1, 10 do
  last = m:task("t" .. i, "meter.ask", { usd = 0.1, tokens = 1000 }, last and { after = { last } })
end]]

describe("a run's budget", function()
  it("of money admits what fits and not one call more", function()
    melody(CHAIN)
    local doc, result = run("--budget", "0.50usd")
    assert.equal(1, result.code)
    assert.equal("failed", doc.status)
    assert.equal("budget_exceeded", doc.error.code)
    assert.matches("the run's budget is 0.5 usd: 0.5 usd spent, and `meter.ask` asks for 0.1 usd", doc.error.message)
    assert.matches("symphony resume 1 %-%-budget 1usd", doc.error.hint)
    assert.equal(5, count(doc, ok))
    assert.equal(0, task_of(doc, "t6").attempts)
    near(0.5, doc.cost.usd)
    local reserved, settled, said = 0, 0, 0
    for _, one in ipairs(decisions()) do
      reserved = reserved + (one.decision == "budget_reserve" and one.used.usd or 0)
      settled = settled + (one.decision == "budget_settle" and one.used.usd or 0)
      said = said + (one.decision == "budget_refused" and 1 or 0)
    end
    near(0.5, reserved)
    near(0.5, settled)
    assert.equal(1, said)
  end)

  it("of tokens does the same, and both may be given", function()
    melody(CHAIN)
    local doc = run("--budget", "2500tok", "--budget", "10usd")
    assert.equal(2, count(doc, ok))
    assert.equal(2000, doc.cost.tokens)
    assert.matches("2500 tokens: 2000 tokens spent", doc.error.message)
  end)

  it("is kept by tasks that run at the same time, which wait for each other's rest", function()
    melody [[
local list = {}
for i = 1, 20 do list[i] = { usd = 0.02 + i % 5 * 0.02 } end
m:each("calls", list, "meter.ask", nil, { on_error = "skip" })]]
    local doc, result = run("--budget", "0.60usd", "--parallel", "8")
    assert.equal(1, result.code)
    assert.is_true(doc.cost.usd <= 0.60 + 1e-9, doc.cost.usd)
    assert.is_true(doc.cost.usd > 0.50 - 1e-9, doc.cost.usd)
  end)

  it("is overshot by at most one reserve when charges are twice the estimates, all at once", function()
    melody [[
local list = {}
for i = 1, 20 do list[i] = { usd = 0.2 } end
m:each("calls", list, "meter.ask", nil, { on_error = "skip" })]]
    local doc = run("--budget", "0.50usd", "--parallel", "8")
    assert.is_true(doc.cost.usd <= 0.60 + 1e-9, doc.cost.usd)
    assert.is_true(doc.cost.usd >= 0.40 - 1e-9, doc.cost.usd)
  end)

  it("counts calls that failed, and every attempt", function()
    melody [[
m:task("a", "meter.ask", { usd = 0.1, mode = "fail" }, { on_error = "skip", priority = 1 })
m:task("b", "meter.ask", { usd = 0.1, mode = "again" }, { retry = { max = 5, backoff = "none" }, on_error = "skip" })]]
    local doc = run("--budget", "0.35usd", "--parallel", "1")
    local b = task_of(doc, "b")
    near(0.1, task_of(doc, "a").cost.usd)
    near(0.2, b.cost.usd)
    assert.equal(2, b.attempts)
    assert.is_true(refused(b))
    near(0.3, doc.cost.usd)
  end)

  it("lets those through that cannot spend", function()
    melody [[
local a = m:task("a", "meter.ask", { usd = 0.2 })
m:task("b", "process.run", { argv = { "true" } })
m:task("c", "meter.burn", { rounds = 10 }, { after = { a } })]]
    local doc = run("--budget", "0.10usd")
    assert.equal("ok", task_of(doc, "a").outcome)
    near(0.2, doc.cost.usd)
    assert.is_true(refused(task_of(doc, "c"))) -- it can charge, and nothing is left
    assert.is_false(refused(task_of(doc, "b")))
  end)

  it("of time ends what runs", function()
    melody [[
m:task("a", "meter.ask", { usd = 0.01, mode = "hang" })]]
    local doc, result = run("--budget", "400ms")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    assert.matches("the run's budget of 0.4 s is used up", doc.error.message)
    near(0.01, doc.cost.usd)
  end)

  it("of time ends what waits to be tried again, too", function()
    melody [[m:task("a", "meter.ask", { usd = 0.01, mode = "again" }, { retry = { max = 3, delay = "1h" } })]]
    local doc, result = run("--budget", "300ms")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    near(0.01, doc.cost.usd)
  end)

  it("holds for a run of which nothing is kept", function()
    melody(CHAIN)
    local doc, result = run("--budget", "0.30usd", "--durability", "none")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    near(0.3, doc.cost.usd)
  end)

  it("of CPU time ends what runs, and what comes after it", function()
    melody [[
m:task("a", "meter.burn", { rounds = 1000000000 }, { on_error = "skip" })]]
    local doc, result = run("--budget", "100mscpu")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", task_of(doc, "a").error.code)
    assert.matches("the run's budget is 0.1 s of CPU", task_of(doc, "a").error.message)
  end)

  it("that cannot be read is refused, and nothing runs", function()
    for _, text in ipairs { "5eur", "", "usd", "-1usd", "1.5.2usd", "x=", "0.5" } do
      local result = symphony("run", "spend", "--budget", text)
      assert.equal(2, result.code, text .. result.out .. result.err)
    end
  end)
end)

describe("a task's budget", function()
  it("refuses before the call, and on_error decides what that means", function()
    melody [[
m:task("a", "meter.ask", { usd = 0.1 }, { budget = "0.05usd", on_error = "skip" })
m:task("b", "meter.ask", { usd = 0.1 }, { budget = "0.10usd" })]]
    local doc, result = run()
    assert.equal(0, result.code, result.out .. result.err)
    assert.is_true(refused(task_of(doc, "a")))
    assert.equal(0, task_of(doc, "a").attempts)
    assert.matches("the budget of `a` is 0.05 usd", task_of(doc, "a").error.message)
    assert.equal("ok", task_of(doc, "b").outcome)
    near(0.1, doc.cost.usd)
  end)

  it("ends a call that passes it", function()
    melody [[m:task("a", "meter.ask", { usd = 1, mode = "drip" }, { budget = "0.25usd" })]]
    local doc, result = run()
    assert.equal(1, result.code)
    assert.is_true(refused(task_of(doc, "a")))
    near(0.3, doc.cost.usd) -- three parts: the one that passes it is spent
  end)

  it("covers all its attempts and fallbacks", function()
    melody [[
m:task("a", "meter.ask", { usd = 0.1, mode = "fail" }, { budget = "0.15usd", retry = { max = 3, backoff = "none" },
  fallback = { "meter.cheap" } })]]
    local doc = run()
    assert.is_true(refused(task_of(doc, "a")))
    near(0.1, doc.cost.usd)
  end)

  it("can be set by the command line", function()
    melody [[m:task("a", "meter.ask", { usd = 0.1 })]]
    local doc = run("--budget", "a=0.01usd")
    assert.is_true(refused(task_of(doc, "a")))
    assert.matches("%-%-budget a=0.02usd", task_of(doc, "a").error.hint)
  end)
end)

describe("a subtree's budget", function()
  it("is that of all children of a map together", function()
    melody [[
m:each("calls", { { usd = 0.1 }, { usd = 0.1 }, { usd = 0.1 }, { usd = 0.1 } }, "meter.ask", nil,
  { budget = "0.25usd", on_error = "skip", max_parallel = 1 })
m:task("other", "meter.ask", { usd = 0.1 })]]
    local doc = run()
    assert.equal("ok", task_of(doc, "calls/1").outcome)
    assert.equal("ok", task_of(doc, "calls/2").outcome)
    assert.is_true(refused(task_of(doc, "calls/3")))
    assert.matches("the budget of `calls` is 0.25 usd: 0.2 usd spent", task_of(doc, "calls/3").error.message)
    assert.equal("ok", task_of(doc, "other").outcome)
    near(0.3, doc.cost.usd)
  end)

  it("is that of a sub-melody with all that is in it", function()
    melody(CHAIN, "inner")
    melody [[
m:sub("part", "inner", {}, { budget = "0.30usd", on_error = "skip" })
m:task("other", "meter.ask", { usd = 0.1 })]]
    local doc, result = run()
    assert.equal(0, result.code, result.out .. result.err)
    near(0.4, doc.cost.usd)
    assert.is_true(refused(task_of(doc, "part/t4")))
    assert.equal("ok", task_of(doc, "other").outcome)
  end)

  it("is that of a loop", function()
    melody [[
m:loop("again", "meter.ask", { usd = 0.1 }, function(out) return { usd = out.usd } end,
  { max = 10, budget = "0.30usd", on_error = "skip" })]]
    local doc = run()
    near(0.3, doc.cost.usd)
  end)
end)

describe("an operation that does not say how much it may use", function()
  it("is refused where a budget applies, and only there", function()
    melody [[m:task("a", "meter.silent", { usd = 0.1 })]]
    local doc = run("--budget", "1usd")
    assert.is_true(refused(task_of(doc, "a")))
    assert.matches("`meter.silent` does not say how much it may use", task_of(doc, "a").error.message)
    assert.equal(0, task_of(doc, "a").attempts)
    assert.equal("completed", (run()).status)
  end)

  it("may say it by a function of its input", function()
    melody [[
local a = m:task("a", "meter.guess", { usd = 0.2 })
m:task("b", "meter.guess", { usd = 0.3 }, { after = { a } })]]
    local doc = run("--budget", "0.50usd")
    assert.equal("ok", task_of(doc, "a").outcome)
    assert.is_true(refused(task_of(doc, "b")))
    assert.matches("asks for 0.33 usd", task_of(doc, "b").error.message)
  end)

  it("is found by the check when no code could say it", function()
    support.write_file(dir .. "/extensions/mute/Symphony.toml", (support.read_file(METER .. "/Symphony.toml")
      :gsub('"meter"', '"mute"')))
    support.write_file(dir .. "/extensions/mute/init.lua", "return { silent = function() return {} end }")
    melody [[m:task("a", "mute.silent", {}, { budget = "1usd" })]]
    local checked = symphony("melody", "check", "spend", "--json")
    assert.equal(2, checked.code, checked.out .. checked.err)
    assert.matches("`mute.silent` does not say what it may use", checked.out)
    melody [[m:task("a", "mute.silent", {})]]
    local doc, result = run("--budget", "1usd")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    assert.matches("nothing has run", symphony("runs").err .. "nothing has run")
  end)
end)

describe("an operation with a function `estimate`, and nothing else that says it spends", function()
  it("is asked before its first call, also of the process that resumes", function()
    support.write_file(dir .. "/extensions/words/Symphony.toml", [[
[extension]
name = "words"
version = "0.1.0"
type = "operator"
description = "Charges by the letter."
[operator]
operator_type = "text"
[operation.count]
doc = "Counts, for money."
effects = "read"
[operation.free]
doc = "Costs nothing."
effects = "read"
]])
    support.write_file(dir .. "/extensions/words/init.lua", [[
local words = {}
words.estimate = { count = function(input) return { usd = 0.01 * #input.text } end }
function words.count(input, ctx)
  ctx.usage { usd = 0.01 * #input.text }
  return { letters = #input.text }
end
function words.free() return {} end
return words]])
    melody [[
m:task("free", "words.free", {})
m:each("counts", { { text = "aaaaa" }, { text = "bbbbb" }, { text = "cccccccccc" } }, "words.count", nil, { max_parallel = 1 })]]
    assert.equal("completed", (run("--budget", "0.20usd")).status)
    local doc = run("--budget", "0.15usd")
    assert.equal(0.10, doc.cost.usd)
    assert.is_true(refused(task_of(doc, "counts/3")))
    doc = document(symphony("resume", "last", "--budget", "0.16usd", "--json"))
    assert.equal(0.10, doc.cost.usd)
    assert.is_true(refused(task_of(doc, "counts/3")))
    local why = symphony("why", "last", "counts/1")
    assert.matches("it used 0.05 usd\n", why.out, 1, true)
    local more = symphony("resume", "last", "--budget", "0.20usd")
    assert.equal(0, more.code, more.out .. more.err)
    assert.not_matches("failed", more.out)
    assert.matches("counts  3 of 3", more.out, 1, true)
  end)
end)

describe("an operation that cannot spend by its manifest, and does", function()
  it("is charged, and then asked what it may use", function()
    support.write_file(dir .. "/extensions/sly/Symphony.toml", [[
[extension]
name = "sly"
version = "0.1.0"
type = "operator"
description = "Says nothing and spends."
[operator]
operator_type = "test"
[operation.go]
doc = "It spends."
effects = "none"
]])
    support.write_file(dir .. "/extensions/sly/init.lua",
      "return { go = function(_, ctx) ctx.usage { usd = 0.1 } return {} end }")
    melody [[
local a = m:task("a", "sly.go", {})
m:task("b", "sly.go", {}, { after = { a } })]]
    local doc = run("--budget", "1usd")
    assert.equal("ok", task_of(doc, "a").outcome)
    assert.is_true(refused(task_of(doc, "b")))
    assert.matches("does not say how much", task_of(doc, "b").error.message)
    near(0.1, doc.cost.usd)
    near(0.9, doc.budget.left.usd)
  end)
end)

describe("on a breach", function()
  local TWO = [[
local a = m:task("a", "meter.ask", { usd = 0.1 })
local b = m:task("b", "meter.ask", { usd = 0.1 },
  { after = { a }, fallback = { "meter.ask", { "meter.cheap", { usd = 0.01 } } } })
m:task("c", "meter.cheap", { usd = 0.01 }, { after = { a } })
m:output("b", b.text)]]

  it("downgrade goes on with the next fallback that fits", function()
    melody(TWO)
    local doc, result = run("--budget", "0.19usd", "--on-breach", "downgrade")
    assert.equal(0, result.code, result.out .. result.err)
    near(0.12, doc.cost.usd)
    local b = task_of(doc, "b")
    assert.equal("fallback", b.outcome)
    assert.equal("cheap", b.operation)
    local reason
    for _, one in ipairs(decisions()) do reason = reason or one.decision == "budget_downgrade" end
    assert.is_true(reason)
  end)

  it("what charges ten times its estimate is ended when that passes the budget", function()
    melody [[
local a = m:task("a", "meter.ask", { usd = 0.1 })
m:task("b", "meter.cheap", { usd = 0.1 }, { after = { a } })]]
    local doc = run("--budget", "0.19usd")
    assert.is_true(refused(task_of(doc, "b")))
    assert.matches("0.2 usd spent; `meter.cheap` was ended when it had used 0.1 usd", doc.error.message)
    near(0.2, doc.cost.usd)
  end)

  it("downgrade stops when nothing fits", function()
    melody(TWO)
    local doc, result = run("--budget", "0.10usd", "--on-breach", "downgrade")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    assert.equal(1, count(doc, ok))
  end)

  it("of a task that is not there is refused", function()
    melody [[m:task("a", "meter.ask", { usd = 0.1 })]]
    local result = symphony("run", "spend", "--budget", "b=0.05usd")
    assert.equal(2, result.code)
    assert.matches("spend has no task `b`", result.err, 1, true)
    assert.equal(4, symphony("show").code)
  end)

  it("ask waits for a person, others go on; more is given and it is tried again", function()
    melody(TWO)
    local doc, result = run("--budget", "0.19usd", "--on-breach", "ask")
    assert.equal(5, result.code, result.out .. result.err)
    assert.equal("waiting", doc.status)
    assert.equal("executing", task_of(doc, "b").status)
    assert.equal("ok", task_of(doc, "c").outcome)
    assert.equal("budget_exceeded", task_of(doc, "b").error.code)
    assert.matches("symphony resume 1 %-%-retry b %-%-budget 0.38usd", task_of(doc, "b").error.hint)
    local still = symphony("resume", "--retry", "b", "--json")
    assert.equal(5, still.code)
    local going = symphony("resume", "--retry", "b", "--budget", "0.5usd", "--json")
    assert.equal(0, going.code, going.out .. going.err)
    near(0.21, document(going).cost.usd)
  end)

  it("ask can be answered by skipping, or with a result", function()
    melody(TWO)
    assert.equal(5, select(2, run("--budget", "0.19usd", "--on-breach", "ask")).code)
    local skipped = symphony("resume", "--result", 'b={"text":"mine","usd":0}', "--json")
    assert.equal(0, skipped.code, skipped.out .. skipped.err)
    assert.equal("mine", document(skipped).outputs.b)
    near(0.11, document(skipped).cost.usd)
  end)

  it("stop fails the run; with more it goes on where it was, and what ended does not run again", function()
    melody(CHAIN)
    assert.equal(1, select(2, run("--budget", "0.30usd")).code)
    assert.equal(1, symphony("resume", "1", "--json").code)
    local going = symphony("resume", "1", "--budget", "1usd", "--json")
    assert.equal(0, going.code, going.out .. going.err)
    local doc = document(going)
    assert.equal(10, count(doc, ok))
    near(1.0, doc.cost.usd)
  end)
end)

describe("what was spent is remembered", function()
  it("over a cancellation", function()
    melody [[m:task("a", "meter.ask", { usd = 0.1, mode = "hang" })]]
    local c = support.start_symphony({ "run", "spend", "--budget", "1usd" }, { cwd = dir })
    support.wait_until(function()
      return #decisions() > 0
    end, 20)
    assert.equal(0, symphony("cancel", "1").code)
    assert.equal(1, assert(c:wait(20)).code)
    near(0.1, document(symphony("show", "1", "--json")).cost.usd)
  end)

  it("over a kill: what the call had said, and what it had reserved", function()
    melody [[
local a = m:task("a", "meter.ask", { usd = 0.1 })
m:task("b", "meter.ask", { usd = 0.04, mode = "hang" }, { after = { a } })]]
    local c = support.start_symphony({ "run", "spend", "--budget", "0.29usd" }, { cwd = dir })
    support.wait_until(function()
      local shown = symphony("show", "1", "--json")
      local doc = shown.code == 0 and json.decode(shown.out)
      if not doc then return false end
      for _, task in ipairs(doc.tasks) do
        if task.key == "b" and task.cost.usd > 0 then return true end
      end
    end, 20)
    c:kill("KILL", true)
    assert(c:wait(10))
    local doc = document(symphony("resume", "1", "--json"))
    local b = task_of(doc, "b")
    assert.is_true(refused(b))
    assert.matches("0.2 usd spent, and `meter.ask` asks for 0.1 usd", b.error.message)
    near(0.14, doc.cost.usd)
  end)
end)

describe("the budget of the project and of the day", function()
  it("is one for all runs and processes", function()
    melody(CHAIN)
    assert.equal(0, symphony("config", "set", "budget.day.usd", "0.35").code)
    local doc, result = run()
    assert.equal(1, result.code)
    near(0.3, doc.cost.usd)
    assert.matches("the budget of the day is 0.35 usd: 0.3 usd spent", doc.error.message)
    melody [[m:task("x", "meter.cheap", { usd = 0.01 })]]
    assert.equal(0, select(2, run()).code)
    melody [[m:task("x", "meter.ask", { usd = 0.1 })]]
    local again, second = run()
    assert.equal(1, second.code)
    near(0, again.cost.usd)
    assert.equal(0, symphony("config", "set", "budget.day.usd", "1").code)
    assert.equal(0, symphony("config", "set", "budget.project.usd", "0.40").code)
    local third = run()
    assert.matches("the budget of the project is 0.4 usd: 0.31 usd spent", third.error.message)
  end)

  it("is reserved: a second process waits for what the first holds, and goes on when that is freed", function()
    assert.equal(0, symphony("config", "set", "budget.project.usd", "0.15").code)
    melody([[m:task("x", "meter.ask", { usd = 0.02, wait = "go" })]], "slow")
    melody [[m:task("y", "meter.ask", { usd = 0.03 })]]
    local first = support.start_symphony({ "run", "slow" }, { cwd = dir })
    support.wait_until(function()
      return #decisions() >= 1
    end, 20)
    local second = support.start_symphony({ "run", "spend", "--json" }, { cwd = dir })
    support.wait_until(function()
      for _, one in ipairs(decisions()) do
        if one.decision == "budget_wait" then return true end
      end
    end, 20)
    support.write_file(dir .. "/go", "")
    assert.equal(0, assert(first:wait(20)).code)
    local result = assert(second:wait(20))
    assert.equal(0, result.code, result.out .. result.err)
    near(0.03, document(result).cost.usd)
  end)

  it("what a killed process had reserved counts as spent", function()
    assert.equal(0, symphony("config", "set", "budget.project.usd", "0.15").code)
    melody([[m:task("x", "meter.ask", { usd = 0.02, wait = "never" })]], "slow")
    melody [[m:task("y", "meter.ask", { usd = 0.03 })]]
    local first = support.start_symphony({ "run", "slow" }, { cwd = dir })
    support.wait_until(function()
      for _, one in ipairs(decisions()) do
        if one.decision == "budget_reserve" then return true end
      end
    end, 20)
    first:kill("KILL", true)
    assert(first:wait(10))
    local doc, result = run()
    assert.equal(1, result.code)
    assert.matches("the budget of the project is 0.15 usd: 0.1 usd spent", doc.error.message)
  end)
end)

--- A definition of nested maps, loops and sub-melodies with budgets everywhere, from a seed.
local function random_melody(seed)
  math.randomseed(seed)
  local function input()
    local mode = ({ "ok", "ok", "ok", "fail", "again", "drip" })[math.random(6)]
    return ('{ usd = %.2f, tokens = %d, mode = "%s" }'):format(math.random(0, 20) / 100, math.random(0, 2000), mode)
  end
  local function options(more)
    local list = { 'on_error = "skip"', more }
    if math.random(2) == 1 then
      list[#list + 1] = ('budget = { "%.2fusd", "%dtok" }'):format(math.random(10, 60) / 100, math.random(1000, 9000))
    end
    if math.random(3) == 1 then list[#list + 1] = 'fallback = { "meter.cheap" }' end
    if math.random(3) == 1 then list[#list + 1] = 'retry = { max = 2, backoff = "none" }' end
    return "{ " .. table.concat(list, ", ") .. " }"
  end
  local function body(depth)
    local lines = {}
    for i = 1, 6 do
      local kind = math.random(depth > 0 and 4 or 3)
      if kind == 1 then
        lines[i] = ('m:task("t%d", "meter.ask", %s, %s)'):format(i, input(), options())
      elseif kind == 2 then
        local items = {}
        for n = 1, math.random(3, 8) do items[n] = input() end
        lines[i] = ('m:each("e%d", { %s }, "meter.ask", nil, %s)'):format(i, table.concat(items, ", "), options())
      elseif kind == 3 then
        lines[i] = ('m:loop("l%d", "meter.ask", %s, function(out) return { usd = 0.05, tokens = 500 } end, %s)')
          :format(i, input(), options "max = 3")
      else
        lines[i] = ('m:sub("s%d", "inner", {}, { on_error = "skip", budget = "0.%d0usd" })'):format(i, math.random(2, 6))
      end
    end
    return table.concat(lines, "\n")
  end
  melody(body(0), "inner")
  melody(body(1))
end

describe("random trees of tasks", function()
  it("stay within their budgets at every decision, and leave nothing reserved", function()
    local first, seeds = 1, os.getenv "SYMPHONY_LONG" and 60 or 6
    for seed = first, first + seeds - 1 do
      random_melody(seed)
      local limit = 0.8
      local doc, result = run("--budget", limit .. "usd", "--budget", "15000tok", "--parallel", "6")
      assert.is_not_nil(result.code, "seed " .. seed .. result.err)
      local cost, settled, held = 0, 0, 0
      for _, task in ipairs(doc.tasks) do cost = cost + task.cost.usd end
      for _, one in ipairs(decisions(doc)) do
        local where = ("seed %d: %s"):format(seed, json.encode(one))
        if one.decision == "budget_reserve" then
          held = held + 1
          local least = ({ usd = 0.1, tokens = 1000, cpu_ms = 0 })[one.unit]
          local sum = one.settled[one.unit] + one.reserved[one.unit]
          assert.is_true(sum <= one.limit + least + 1e-9, where)
        elseif one.decision == "budget_settle" then
          held = held - 1
          settled = settled + one.used.usd
        end
      end
      assert.equal(0, held, "seed " .. seed)
      near(settled, cost)
      near(cost, doc.cost.usd)
      assert.is_true(cost <= limit + 0.1 + 1e-9, ("seed %d spent %s"):format(seed, cost))
    end
  end)
end)

describe("a task that waits for a budget", function()
  local WAITS = [[
m:task("a", "meter.ask", { usd = 0.1, wait = "go" })
m:task("b", "meter.ask", { usd = 0.1, wait = "go" })]]

  local function begin()
    melody(WAITS)
    local c = support.start_symphony({ "run", "spend", "--budget", "0.25usd" }, { cwd = dir })
    support.wait_until(function()
      for _, one in ipairs(decisions()) do
        if one.decision == "budget_wait" then return true end
      end
    end, 20)
    return c
  end

  it("says so", function()
    local c = begin()
    assert.matches("waits for room for 0.1 usd in the budget of the run: 0 usd spent and 0.1 usd reserved of 0.25 usd",
      symphony("why", "1", "a").out .. symphony("why", "1", "b").out)
    support.write_file(dir .. "/go", "")
    assert.equal(0, assert(c:wait(20)).code)
  end)

  it("is cancelled and parked with its run", function()
    local c = begin()
    assert.equal(0, symphony("cancel", "1").code)
    assert.equal(1, assert(c:wait(20)).code)
    c = support.start_symphony({ "run", "spend", "--budget", "0.25usd" }, { cwd = dir })
    support.wait_until(function()
      local n = 0
      for _, one in ipairs(decisions()) do n = n + (one.decision == "budget_wait" and 1 or 0) end
      return n == 2
    end, 20)
    c:kill "INT"
    assert.equal(130, assert(c:wait(20)).code)
    support.write_file(dir .. "/go", "")
    local going = symphony("resume", "2", "--json")
    assert.equal(0, going.code, going.out .. going.err)
    near(0.2, document(going).cost.usd)
  end)
end)

describe("show", function()
  it("says what is left", function()
    melody(CHAIN)
    run("--budget", "0.50usd", "--budget", "20000tok", "--budget", "1h")
    local budget = document(symphony("show", "1", "--json")).budget
    near(0.5, budget.limits.usd)
    near(0.5, budget.spent.usd)
    near(0, budget.left.usd)
    assert.equal(20000, budget.limits.tokens)
    assert.equal(15000, budget.left.tokens)
    assert.equal(3600000, budget.limits.wall_ms)
    assert.is_true(budget.left.wall_ms < 3600000)
    assert.equal("stop", budget.on_breach)
    assert.matches("budget%s+0.00 of 0.50 usd left", symphony("show", "1").out)
    melody [[m:task("a", "meter.ask", { usd = 0.1 })]]
    assert.equal(json.null, (run()).budget)
  end)
end)
