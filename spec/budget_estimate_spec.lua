--- What operations say that they may use, before a budget lets them through.
local tools = require "spend"
local support = require "support"

local METER = (os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/fixtures/extensions/meter"

local spend = tools.new()
local symphony, melody, run, document, task_of = spend.symphony, spend.melody, spend.run, spend.document, spend.task
local refused, near = tools.refused, tools.near

before_each(spend.open)

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
    support.write_file(spend.dir .. "/extensions/mute/Symphony.toml", (support.read_file(METER .. "/Symphony.toml")
      :gsub('"meter"', '"mute"')))
    support.write_file(spend.dir .. "/extensions/mute/init.lua", "return { silent = function() return {} end }")
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
    support.write_file(spend.dir .. "/extensions/words/Symphony.toml", [[
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
    support.write_file(spend.dir .. "/extensions/words/init.lua", [[
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
    support.write_file(spend.dir .. "/extensions/sly/Symphony.toml", [[
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
    support.write_file(spend.dir .. "/extensions/sly/init.lua",
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

describe("an operation that spent without having said so, in an earlier process", function()
  local SLY = [[
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
[operation.honest]
doc = "It does not."
effects = "none"
]]

  local CODE = [[
local fs, time = require "fs", require "time"
local sly = {}
function sly.go(input, ctx)
  ctx.usage { usd = 0.1 }
  if input.fail then return nil, "no" end
  while input.wait and not fs.exists(input.wait) do time.sleep(0.01) end
  return {}
end
function sly.honest(input)
  while input.wait and not fs.exists(input.wait) do time.sleep(0.01) end
  return {}
end
return sly]]

  --- Runs the melody until `key` is executed and the run has cost something, kills it and resumes it.
  local function killed_at(key)
    support.write_file(spend.dir .. "/extensions/sly/Symphony.toml",
      SLY .. '[capabilities]\nfs.read = ["$PROJECT/**"]\n')
    support.write_file(spend.dir .. "/extensions/sly/init.lua", CODE)
    assert.equal(0, symphony("trust").code)
    local c = spend.start("run", "spend", "--budget", "0.15usd")
    support.wait_until(function()
      local shown = symphony("show", "1", "--json")
      if shown.code ~= 0 then return false end
      local doc = document(shown)
      local spent = 0
      for _, task in ipairs(doc.tasks) do spent = spent + task.cost.usd end
      for _, task in ipairs(doc.tasks) do
        if task.key == key and task.status == "executing" and spent > 0 then return true end
      end
    end, 20)
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(spend.dir .. "/go", "")
    return document(symphony("resume", "1", "--json"))
  end

  it("makes no call more without a reserve", function()
    melody [[
local a = m:task("a", "sly.go", {})
local b = m:task("b", "sly.honest", { wait = "go" }, { after = { a } })
m:task("c", "sly.go", {}, { after = { b } })]]
    local doc = killed_at "b"
    assert.equal("ok", task_of(doc, "b").outcome)
    assert.is_true(refused(task_of(doc, "c")))
    assert.matches("does not say how much", task_of(doc, "c").error.message)
    near(0.1, doc.cost.usd)
  end)

  it("is found when its call was cut off", function()
    melody [[m:task("a", "sly.go", { wait = "go" })]]
    local doc = killed_at "a"
    assert.is_true(refused(task_of(doc, "a")))
    near(0.1, doc.cost.usd)
  end)

  it("is told from the fallback that came after it", function()
    melody [[
m:task("a", "sly.go", { fail = true }, { fallback = { "sly.honest" } })
local b = m:task("b", "sly.honest", { wait = "go" }, { after = { "a" } })
m:task("c", "sly.go", {}, { after = { b } })]]
    local doc = killed_at "b"
    assert.equal("fallback", task_of(doc, "a").outcome)
    assert.equal("ok", task_of(doc, "b").outcome)
    assert.is_true(refused(task_of(doc, "c")))
    near(0.1, doc.cost.usd)
  end)
end)
