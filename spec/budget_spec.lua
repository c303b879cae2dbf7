--- Budgets, with a metered operation whose charge is known only after the call: of a run, a task and a subtree.
local json = require "sy.json"
local tools = require "spend"

local spend = tools.new()
local symphony, melody, run, document, task_of, decisions =
  spend.symphony, spend.melody, spend.run, spend.document, spend.task, spend.decisions
local ok, refused, count, near, CHAIN = tools.ok, tools.refused, tools.count, tools.near, tools.CHAIN

before_each(spend.open)

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

  it("of time ends programs that run, whichever timer is the first", function()
    melody [[m:each("all", { 1, 2, 3, 4 }, "process.run", function() return { argv = { "sleep", "60" } } end)]]
    local doc, result = run("--budget", "200ms")
    assert.equal(1, result.code)
    assert.equal("budget_exceeded", doc.error.code)
    assert.is_true(refused(task_of(doc, "all/1")))
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
