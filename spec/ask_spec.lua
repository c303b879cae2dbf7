--- Questions of a melody, and the places where they are answered: the whole program.
local json = require "sy.json"
local support = require "support"
local trial = require "trial".new "toy"

local symphony, melody, run, document, task = trial.symphony, trial.melody, trial.run, trial.document, trial.task
local log, go = trial.log, trial.go

before_each(trial.open)

--- Resumes until the time of what waits is up.
local function resumed_late(code)
  local r
  support.wait_until(function()
    r = symphony("resume", "--json")
    return r.code ~= 5
  end, 30)
  assert.equal(code, r.code, r.out .. r.err)
  return r
end

describe("ask", function()
  local ASK = [[
local sure = m:ask("sure", m.text "Really {params.name}?", { type = "boolean" })
local other = m:task("other", "toy.add", { a = 1 })
m:param("name", { default = "Ada" })
m:task("after", "toy.write", { line = "sent" }, { when = "sure" })
m:output("sure", sure)
m:output("sum", other.sum)]]

  it("parks with exit 5 and the command to type, while other branches go on", function()
    melody("v", ASK)
    local r = symphony("run", "v")
    assert.equal(5, r.code, r.err)
    assert.matches("Really Ada? [true|false]", r.err, 1, true)
    assert.matches("symphony answer 1 sure true", r.err, 1, true)
    local doc = document(symphony("show", "1", "--json"))
    assert.equal("waiting", doc.status)
    assert.equal("completed", task(doc, "other").status)
    assert.equal("executing", task(doc, "sure").status)
    assert.same({ task = "sure", why = "answer", question = "Really Ada?", schema = { type = "boolean" },
                  default = json.null, message = json.null }, doc.waiting[1])
    assert.equal("sure: Really Ada?", document(symphony("runs", "--json")).runs[1].waits_for)
    assert.matches("Really Ada?", symphony("show").out, 1, true)
  end)

  --- The payload of the event that asked.
  local function asked()
    for line in symphony("events", "--json").out:gmatch "[^\n]+" do
      local event = json.decode(line)
      if event.event_type == "task.asked" then return event.payload end
    end
  end

  it("is told by an event, which carries the question", function()
    local doc = run([[
m:ask("which", "Which?\nThis or \"that\"?", { enum = { "this", "that" } }, { default = "this", timeout = "1h" })]], 5)
    local payload = asked()
    local stamp = "^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"
    assert.matches(stamp, payload["until"])
    assert.is_true(payload["until"] > task(doc, "which").started_at)
    payload["until"] = nil
    assert.same({ key = "which", operation = "host.ask", status = "executing", question = 'Which?\nThis or "that"?',
                  schema = { enum = { "this", "that" } }, default = "this" }, payload)
    assert.matches('task%.asked +Which%?\n +This or "that"%? %[this|that%]', symphony("logs", "1").out)
  end)

  it("is told in part where it is long", function()
    local many = {}
    for i = 1, 400 do many[i] = ("%q"):format("choice " .. i) end
    run(('m:ask("which", ("é"):rep(2049), { enum = { %s } })'):format(table.concat(many, ", ")), 5)
    local payload = asked()
    assert.equal(("é"):rep(2048), payload.question)
    assert.is_true(payload.cut)
    assert.is_nil(payload.schema)
    assert.matches("éé …\n", symphony("logs", "1").out, 1, true)
  end)

  it("goes on with the answer, which is consumed once", function()
    run(ASK, 5)
    local r = symphony("answer", "true", "--json")
    assert.equal(0, r.code, r.err)
    assert.same({ sure = true, sum = 2 }, document(r).outputs)
    assert.equal("sent\n", log())
    r = symphony("answer", "1", "sure", "false")
    assert.equal(2, r.code)
    assert.matches("does not wait for an answer", r.err, 1, true)
    assert.equal(4, symphony("answer", "true").code)
  end)

  it("refuses what does not fit, and nothing is lost", function()
    run(ASK, 5)
    for _, bad in ipairs { { "5", "type_mismatch" }, { "yes", "usage" }, { "{", "usage" } } do
      local r = symphony("answer", bad[1])
      assert.equal(2, r.code)
      assert.matches("error[" .. bad[2] .. "]", r.err, 1, true)
    end
    assert.matches("these do: sure", symphony("answer", "1", "sre", "true").err, 1, true)
    assert.equal(0, symphony("answer", "1", "sure", "false").code)
    assert.equal("", log())
  end)

  it("takes a word for a string, and a choice", function()
    local doc = run([[
local a = m:ask("name", "Who?", { type = "string" })
local b = m:ask("which", "Which?", { enum = { "one", "two" } }, { after = { a } })
m:output("a", a)
m:output("b", b)]], 5)
    assert.equal("name", doc.waiting[1].task)
    assert.equal(5, symphony("answer", "Ada").code)
    assert.equal(2, symphony("answer", "three").code)
    local r = symphony("answer", "two", "--json")
    assert.same({ a = "Ada", b = "two" }, document(r).outputs)
  end)

  it("says which runs ask when several do", function()
    run(ASK, 5)
    run(ASK, 5)
    local r = symphony("answer", "true")
    assert.equal(2, r.code)
    assert.matches("say which: 1, 2", r.err, 1, true)
    assert.equal(0, symphony("answer", "2", "true").code)
    assert.equal(0, symphony("answer", "true").code)
  end)

  it("takes its default when its time was up while no process lived", function()
    local doc = run([[
local a = m:ask("sure", "Really?", { type = "boolean" }, { default = false, timeout = "2s" })
m:output("sure", a)]], 5)
    assert.is_false(doc.waiting[1].default)
    assert.same({ sure = false }, document(resumed_late(0)).outputs)
  end)

  it("fails without a default when its time is up", function()
    run('m:ask("sure", "Really?", { type = "boolean" }, { timeout = "2s" })', 5)
    local r = resumed_late(1)
    assert.equal("timeout", task(document(r), "sure").outcome)
  end)

  it("is answered from another process while the run lives", function()
    melody("v", ASK .. '\nm:task("slow", "toy.wait", {})')
    local c = trial.start("run", "v", "--json")
    support.wait_until(function() return symphony("show", "--json").out:find '"task":"sure"' end, 20)
    local r = symphony("answer", "1", "sure", "true", "--json")
    assert.equal(0, r.code, r.err)
    assert.equal(2, symphony("answer", "1", "sure", "true").code)
    go()
    local ended = assert(c:wait(30))
    assert.equal(0, ended.code, ended.err)
    assert.is_true(json.decode(ended.out).outputs.sure)
  end)
end)

describe("on a terminal, ask", function()
  local ALL = [[
local a = m:ask("name", "Who?", { type = "string", minLength = 2 })
local b = m:ask("sure", "Sure?", { type = "boolean" }, { after = { a } })
local c = m:ask("which", "Which?", { enum = { "one", "two" } }, { after = { b } })
local d = m:ask("many", "How many?", { type = "integer" }, { after = { c } })
local e = m:ask("list", "List?", { type = "array" }, { after = { d } })
m:output("all", { a, b, c, d, e })]]

  local function answer(c, question, line)
    support.wait_until(function() return c:out():find(question, 1, true) end, 20)
    c:write(line .. "\n")
  end

  it("asks in place by its schema, and again after what does not fit", function()
    melody("v", ALL)
    local c = support.start_symphony({ "run", "v" }, { cwd = trial.dir, pty = true })
    answer(c, "Who?", "x")
    answer(c, "at least 2 characters", "Ada")
    answer(c, "Sure?", "maybe")
    answer(c, "it is y or n", "y")
    answer(c, "Which?", "3")
    answer(c, "from 1 to 2", "2")
    answer(c, "How many?", "7")
    answer(c, "List?", "[1,2]")
    local r = assert(c:wait(20))
    assert.equal(0, r.code, r.out)
    assert.same({ "Ada", true, "two", 7, { 1, 2 } }, document(symphony("show", "--json")).outputs.all)
  end)

  it("parks with exit 5 at the end of input", function()
    melody("v", ALL)
    local c = support.start_symphony({ "run", "v" }, { cwd = trial.dir, pty = true })
    support.wait_until(function() return c:out():find("Who?", 1, true) end, 20)
    c:write "\4"
    local r = assert(c:wait(20))
    assert.equal(5, r.code, r.out)
    assert.matches("symphony answer 1 name", r.out, 1, true)
  end)
end)

describe("the inbox", function()
  local function drop(path, text)
    local target = trial.dir .. "/.symphony/inbox/" .. path
    support.write_file(target .. ".part", text)
    assert(os.rename(target .. ".part", target))
  end

  local TWO = [[
m:sub("inner", "inner")
m:output("inner", m:ask("last", "Last?", { type = "integer" }))]]

  before_each(function()
    melody("inner", 'm:output("how", m:ask("how", "How?", { type = "string" }))')
  end)

  it("answers a parked run when it is resumed; each file is consumed once", function()
    run(TWO, 5)
    drop("1/inner.how.json", '"well"')
    drop("1/last.json", "5")
    local said = symphony "runs"
    assert.matches("run #1 has an answer in its inbox   symphony resume 1", said.err, 1, true)
    run('m:output("b", m:ask("b", "B?", {}))', 5)
    drop("2/b.json", "1")
    local r = symphony("resume", "1", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("completed", document(r).status)
    assert.not_matches("symphony resume 1", r.err, 1, true)
    assert.matches("run #2 has an answer in its inbox   symphony resume 2", r.err, 1, true)
    assert.is_false(support.exists(trial.dir .. "/.symphony/inbox/1/inner.how.json"))
    assert.is_false(support.exists(trial.dir .. "/.symphony/inbox/1/last.json"))
  end)

  it("moves aside what is no answer, with an event and a line", function()
    run(TWO, 5)
    for name, text in pairs { ["1/last.json"] = '"no number"', ["1/inner.how.json"] = "{", ["9/x.json"] = "1",
                              ["1/gone.json"] = "1" } do
      drop(name, text)
    end
    local said = symphony("runs").err
    for _, name in ipairs { "1-last.json", "1-inner.how.json", "9-x.json", "1-gone.json" } do
      assert.is_true(support.exists(trial.dir .. "/.symphony/inbox/refused/" .. name), name)
      assert.matches("refused/" .. name, said, 1, true)
    end
    assert.equal("", symphony("runs").err)
    local _, errors = symphony("events", "--json").out:gsub('"action":"inbox"', "")
    local _, failed = symphony("events", "--json").out:gsub("was refused", "")
    assert.is_true(errors + failed >= 4)
    assert.equal("waiting", document(symphony("show", "1", "--json")).status)
  end)

  it("leaves an answer to what was not asked yet", function()
    run('m:ask("b", "B?", {}, { after = { m:ask("a", "A?", {}) } })', 5)
    drop("1/b.json", "2")
    assert.equal("", symphony("runs").err)
    assert.equal(0, symphony("answer", "1", "a", "1").code)
  end)

  it("answers a run that lives", function()
    melody("v", 'local a = m:ask("sure", "Sure?", {})\nm:task("slow", "toy.wait", {})\nm:output("a", a)')
    local c = trial.start("run", "v", "--json")
    support.wait_until(function() return symphony("show", "--json").out:find '"task":"sure"' end, 20)
    drop("1/sure.json", "[1]")
    support.wait_until(function() return not support.exists(trial.dir .. "/.symphony/inbox/1/sure.json") end, 20)
    go()
    local ended = assert(c:wait(30))
    assert.same({ 1 }, json.decode(ended.out).outputs.a)
  end)
end)
