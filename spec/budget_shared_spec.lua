--- Budgets over kills, other runs and other processes, and tasks that wait for their room.
local json = require "sy.json"
local tools = require "spend"
local support = require "support"

local spend = tools.new()
local symphony, melody, run, document, task_of, decisions =
  spend.symphony, spend.melody, spend.run, spend.document, spend.task, spend.decisions
local refused, near, CHAIN = tools.refused, tools.near, tools.CHAIN

before_each(spend.open)

describe("what was spent is remembered", function()
  it("over a cancellation", function()
    melody [[m:task("a", "meter.ask", { usd = 0.1, mode = "hang" })]]
    local c = spend.start("run", "spend", "--budget", "1usd")
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
    local c = spend.start("run", "spend", "--budget", "0.29usd")
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
    local first = spend.start("run", "slow")
    support.wait_until(function()
      return #decisions() >= 1
    end, 20)
    local second = spend.start("run", "spend", "--json")
    support.wait_until(function()
      for _, one in ipairs(decisions()) do
        if one.decision == "budget_wait" then return true end
      end
    end, 20)
    spend.go()
    assert.equal(0, assert(first:wait(20)).code)
    local result = assert(second:wait(20))
    assert.equal(0, result.code, result.out .. result.err)
    near(0.03, document(result).cost.usd)
  end)

  it("what a killed process had reserved counts as spent", function()
    assert.equal(0, symphony("config", "set", "budget.project.usd", "0.15").code)
    melody([[m:task("x", "meter.ask", { usd = 0.02, wait = "never" })]], "slow")
    melody [[m:task("y", "meter.ask", { usd = 0.03 })]]
    local first = spend.start("run", "slow")
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

describe("a task that waits for a budget", function()
  local WAITS = [[
m:task("a", "meter.ask", { usd = 0.1, wait = "go" })
m:task("b", "meter.ask", { usd = 0.1, wait = "go" })]]

  local function begin()
    melody(WAITS)
    local c = spend.start("run", "spend", "--budget", "0.25usd")
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
    spend.go()
    assert.equal(0, assert(c:wait(20)).code)
  end)

  it("is cancelled and parked with its run", function()
    local c = begin()
    assert.equal(0, symphony("cancel", "1").code)
    assert.equal(1, assert(c:wait(20)).code)
    c = spend.start("run", "spend", "--budget", "0.25usd")
    support.wait_until(function()
      local n = 0
      for _, one in ipairs(decisions()) do n = n + (one.decision == "budget_wait" and 1 or 0) end
      return n == 2
    end, 20)
    c:kill "INT"
    assert.equal(130, assert(c:wait(20)).code)
    spend.go()
    local going = symphony("resume", "2", "--json")
    assert.equal(0, going.code, going.out .. going.err)
    near(0.2, document(going).cost.usd)
  end)
end)
