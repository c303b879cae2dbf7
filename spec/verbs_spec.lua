--- Every verb and option of a melody, from its file to its end: the whole program.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "toy"
version = "0.1.0"
type = "operator"
category = "test"
description = "Small operations."
license = "MIT"
symphony = ">=0.1, <1"
entry = "init.lua"
[operator]
operator_type = "toy"
[operation.add]
doc = "a + b"
effects = "none"
input = { type = "object", required = ["a"], properties = { a = { type = "number" }, b = { type = "number" } } }
output = { type = "object", properties = { sum = { type = "number" } } }
[operation.write]
doc = "Adds a line to a file."
effects = "write"
idempotent = true
input = { type = "object", required = ["line"], properties = { line = { type = "string" }, fail = { type = "boolean" } } }
output = { type = "object", properties = { line = { type = "string" } } }
[operation.fail]
doc = "Fails."
effects = "none"
input = { type = "object" }
output = { type = "object" }
[operation.wait]
doc = "Waits for a file."
effects = "read"
input = { type = "object" }
output = { type = "object" }
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/log.txt"]
]]

local CODE = [[
local fs = require "fs"
local time = require "time"
local toy = {}
function toy.add(input)
  return { sum = input.a + (input.b or 1) }
end
function toy.write(input)
  assert(fs.append("log.txt", input.line .. "\n"))
  if input.fail then return nil, "it was to fail" end
  return { line = input.line }
end
function toy.fail()
  return nil, "it always fails"
end
function toy.wait(_, ctx)
  while not fs.exists "go" do time.sleep(0.02) end
  return {}
end
return toy
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function melody(name, body)
  support.write_file(("%s/melodies/%s.lua"):format(dir, name),
    ('local melody = require "melody"\nlocal m = melody %q\n%s\nreturn m\n'):format(name, body))
end

local function document(r)
  return assert(json.decode(r.out), r.out .. r.err)
end

--- Runs a melody of this body and gives its document; fails unless it ends with `code`.
local function run(body, code, ...)
  melody("v", body)
  local r = symphony("run", "v", "--json", ...)
  assert.equal(code or 0, r.code, r.out .. r.err)
  return document(r)
end

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

local function task(doc, key)
  for _, one in ipairs(doc.tasks) do
    if one.key == key then return one end
  end
  error("there is no task " .. key .. " in " .. json.encode(doc.tasks))
end

local function log()
  return support.read_file(dir .. "/log.txt") or ""
end

local function go(what)
  support.write_file(dir .. "/" .. (what or "go"), "")
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/toy/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/toy/init.lua", CODE)
  assert.equal(0, symphony("trust").code)
end)

describe("loop", function()
  it("calls again and again on what the last call gave, until its condition holds", function()
    local doc = run [[
local l = m:loop("grow", "toy.add", { a = 1 }, function(previous, i)
  return { a = previous.sum, b = i }
end, { until_ = "it.sum >= 10" })
m:output("sum", l.sum)]]
    assert.equal(11, doc.outputs.sum)
    assert.equal("toy", task(doc, "grow/4").extension)
    assert.has_error(function() task(doc, "grow/5") end)
  end)

  it("ends at its limit with its last output, and says so", function()
    local doc = run [[
local l = m:loop("grow", "toy.add", { a = 0 }, function(previous)
  return { a = previous.sum }
end, { until_ = "false", max = 3 })
m:output("sum", l.sum)]]
    assert.equal(3, doc.outputs.sum)
    local rows = document(symphony("data", "task", "--json")).rows
    local context
    for _, row in ipairs(rows) do
      if row.key == "grow" then context = row.execution_context end
    end
    if type(context) == "string" then context = json.decode(context) end
    assert.is_true(context.max_reached)
  end)

  it("fails as its iteration does", function()
    local doc = run('m:loop("l", "toy.fail", {})', 1)
    assert.equal("failed", task(doc, "l").status)
    assert.matches("it always fails", doc.error.message, 1, true)
  end)
end)

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
    local c = support.start_symphony({ "run", "v", "--json" }, { cwd = dir })
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
    local c = support.start_symphony({ "run", "v" }, { cwd = dir, pty = true })
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
    local c = support.start_symphony({ "run", "v" }, { cwd = dir, pty = true })
    support.wait_until(function() return c:out():find("Who?", 1, true) end, 20)
    c:write "\4"
    local r = assert(c:wait(20))
    assert.equal(5, r.code, r.out)
    assert.matches("symphony answer 1 name", r.out, 1, true)
  end)
end)

describe("the inbox", function()
  local function drop(path, text)
    local target = dir .. "/.symphony/inbox/" .. path
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
    local r = symphony("resume", "1", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("completed", document(r).status)
    assert.is_false(support.exists(dir .. "/.symphony/inbox/1/inner.how.json"))
    assert.is_false(support.exists(dir .. "/.symphony/inbox/1/last.json"))
  end)

  it("moves aside what is no answer, with an event and a line", function()
    run(TWO, 5)
    for name, text in pairs { ["1/last.json"] = '"no number"', ["1/inner.how.json"] = "{", ["9/x.json"] = "1",
                              ["1/gone.json"] = "1" } do
      drop(name, text)
    end
    local said = symphony("runs").err
    for _, name in ipairs { "1-last.json", "1-inner.how.json", "9-x.json", "1-gone.json" } do
      assert.is_true(support.exists(dir .. "/.symphony/inbox/refused/" .. name), name)
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
    local c = support.start_symphony({ "run", "v", "--json" }, { cwd = dir })
    support.wait_until(function() return symphony("show", "--json").out:find '"task":"sure"' end, 20)
    drop("1/sure.json", "[1]")
    support.wait_until(function() return not support.exists(dir .. "/.symphony/inbox/1/sure.json") end, 20)
    go()
    local ended = assert(c:wait(30))
    assert.same({ 1 }, json.decode(ended.out).outputs.a)
  end)
end)

describe("sub", function()
  it("runs another melody, whose tasks lie below it, and gives its outputs", function()
    melody("double", [[
local n = m:param("n", { type = "number" })
local a = m:task("a", "toy.add", { a = n, b = n })
local e = m:each("e", { 1, 2 }, "toy.add", function(x) return { a = x, b = params.n } end)
m:output("twice", a.sum)
m:output("list", e)]])
    local doc = run [[
local s = m:sub("first", "double", { n = 4 })
local t = m:sub("second", "double", { n = s.twice })
m:output("n", t.twice)
m:output("list", t.list)]]
    assert.same({ n = 16, list = { { sum = 9 }, { sum = 10 } } }, doc.outputs)
    assert.equal("completed", task(doc, "second/e/2").status)
    assert.equal("host", task(doc, "first").extension)
    assert.equal("sub", task(doc, "first").operation)
  end)

  it("may call itself under a condition", function()
    melody("count", [[
local n = m:param("n", { type = "integer" })
local less = m:task("less", "toy.add", { a = n, b = -1 })
local below = m:sub("below", "count", { n = less.sum }, { when = "params.n > 1" })
m:output("n", n)
m:output("below", melody.soft(below.n))]])
    local r = symphony("run", "count", "-p", "n=3", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("completed", task(document(r), "below/below/less").status)
  end)

  it("is pinned: what is changed meanwhile does not matter", function()
    melody("inner", 'local a = m:ask("a", "?", {})\nm:output("x", a)')
    run('local s = m:sub("s", "inner")\nm:output("x", s.x)', 5)
    melody("inner", 'm:task("other", "toy.fail", {})')
    local r = symphony("answer", "1", "s/a", "7", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal(7, document(r).outputs.x)
  end)

  it("fails as its tasks do", function()
    melody("inner", 'm:task("bad", "toy.fail", {})')
    local doc = run('m:sub("s", "inner")', 1)
    assert.equal("failed", task(doc, "s").status)
    assert.equal("failed", task(doc, "s/bad").status)
  end)

  it("means the bundled melody inside of a bundled one, else the project's", function()
    melody("hello", 'm:output("mine", true)\nm:task("a", "toy.add", { a = 1 })')
    local doc = run 'local s = m:sub("s", "hello")\nm:output("mine", s.mine)'
    assert.is_true(doc.outputs.mine)
  end)
end)

describe("compensate", function()
  local BODY = [[
m:task("a", "toy.write", { line = "a" }, { compensate = { "toy.write", { line = m.text "undo {a.line}" } } })
m:each("list", { "b", "c" }, "toy.write", function(x)
  return { line = x }
end, { after = { "a" }, max_parallel = 1, compensate = { "toy.write", { line = "undo one" } } })
m:task("bad", "toy.fail", {}, { after = { "list" }, on_error = "compensate" })]]

  it("undoes what is done, newest first, once, and the run has failed", function()
    local doc = run(BODY, 1)
    assert.equal("a\nb\nc\nundo one\nundo one\nundo a\n", log())
    assert.equal("failed", doc.status)
    assert.equal("compensated", task(doc, "a").outcome)
    assert.equal("completed", task(doc, "a").status)
    assert.equal(1, symphony("resume", "1").code)
    assert.equal("a\nb\nc\nundo one\nundo one\nundo a\n", log())
  end)

  it("is told when it has happened, after what had ended", function()
    melody("undone", BODY)
    local result = symphony("run", "undone")
    assert.equal(1, result.code)
    assert.matches("! a     undone", result.out, 1, true)
    assert.matches("task bad\n", symphony("show").out, 1, true)
    local again = symphony("resume", "last", "--retry", "bad")
    assert.equal(1, again.code)
    assert.matches("symphony fork 1 --from bad   does it again", again.err, 1, true)
  end)

  it("knows the task's own output", function()
    run([[
m:task("a", "toy.write", { line = "a" }, { compensate = { "toy.write", { line = melody.own.line } } })
m:task("bad", "toy.fail", {}, { after = { "a" }, on_error = "compensate" })]], 1)
    assert.equal("a\na\n", log())
  end)
end)

describe("on_error", function()
  it("ask waits for a person, who retries, skips or gives the result", function()
    local body = 'local a = m:task("a", "toy.fail", {}, { on_error = "ask" })\nm:output("a", a)'
    local doc = run(body, 5)
    assert.equal("error", doc.waiting[1].why)
    assert.matches("it always fails", doc.waiting[1].message, 1, true)
    assert.matches("asks nothing", symphony("answer", "1", "true").err, 1, true)
    assert.equal(5, symphony("resume", "1", "--retry", "a").code)
    local r = symphony("resume", "1", "--result", 'a={"x":1}', "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.same({ x = 1 }, document(r).outputs.a)
    run(body, 5)
    r = symphony("resume", "2", "--skip", "a", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("skipped", task(document(r), "a").outcome)
  end)

  it("ask is decided from another process while the run lives", function()
    melody("v", 'm:task("a", "toy.fail", {}, { on_error = "ask" })\nm:task("slow", "toy.wait", {})')
    local c = support.start_symphony({ "run", "v", "--json" }, { cwd = dir })
    support.wait_until(function() return symphony("show", "--json").out:find '"why":"error"' end, 20)
    assert.equal(0, symphony("resume", "1", "--skip", "a").code)
    go()
    assert.equal(0, assert(c:wait(30)).code)
  end)

  it("skip lets the run complete, halt does not", function()
    assert.equal("completed", run('m:task("a", "toy.fail", {}, { on_error = "skip" })').status)
    assert.equal("failed", run('m:task("a", "toy.fail", {})', 1).status)
  end)
end)

describe("pause", function()
  it("parks a run of another process, and resume goes on", function()
    melody("v", 'local a = m:task("slow", "toy.wait", {})\nm:output("b", m:task("b", "toy.add", { a = 1 }, { after = { a } }))')
    local c = support.start_symphony({ "run", "v" }, { cwd = dir })
    support.wait_until(function() return symphony("show", "--json").out:find '"status":"executing"' end, 20)
    local r = symphony("pause", "--json")
    assert.equal(0, r.code, r.err)
    assert.equal(130, assert(c:wait(30)).code)
    assert.equal("paused", document(symphony("show", "--json")).status)
    go()
    assert.equal(0, symphony("resume").code)
    assert.matches("had ended before: completed", symphony("pause", "1").out, 1, true)
    assert.equal(4, symphony("pause").code)
  end)
end)

describe("a definition", function()
  it("with every verb gives the same as JSON and as Lua", function()
    melody("inner", 'local n = m:param("n", { type = "number" })\nm:output("n", m:task("a", "toy.add", { a = n }).sum)')
    local body = [[
local limit = 5
local l = m:loop("l", "toy.add", { a = 0 }, function(p, i)
  return { a = p.sum, b = i }
end, { until_ = function(it) return it.sum > limit end })
local e = m:each("e", { 1, 2, 3 }, "toy.add", "function(x) return { a = x } end", { cache = "1h", rate = "100/s" })
local s = m:sub("s", "inner", { n = l.sum })
local a = m:ask("a", m.text "Is it {s.n}?", { type = "boolean" })
m:output("all", { l, e, s, a })]]
    local from_lua = run(body, 5)
    local json_text = symphony("melody", "show", "v", "--json").out
    support.write_file(dir .. "/again.json", json_text)
    local r = symphony("run", "again.json", "--json")
    assert.equal(5, r.code, r.out .. r.err)
    assert.equal(from_lua.melody_hash:sub(1, 7), document(r).melody_hash:sub(1, 7))
    assert.equal(from_lua.waiting[1].question, document(r).waiting[1].question)
    local one = document(symphony("answer", "1", "true", "--json")).outputs
    local two = document(symphony("answer", "2", "true", "--json")).outputs
    assert.same(one, two)
    assert.equal(6, one.all[1].sum)
  end)
end)
