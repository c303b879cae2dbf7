--- What happens when a budget is used up: stop, ask, downgrade.
local tools = require "spend"

local spend = tools.new()
local symphony, melody, run, document, task_of, decisions =
  spend.symphony, spend.melody, spend.run, spend.document, spend.task, spend.decisions
local ok, refused, count, near, CHAIN = tools.ok, tools.refused, tools.count, tools.near, tools.CHAIN

before_each(spend.open)

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
