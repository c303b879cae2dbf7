--- Every verb and option of a melody, from its file to its end: the whole program.
local json = require "sy.json"
local support = require "support"
local trial = require "trial".new "toy"

local symphony, melody, run, document, task = trial.symphony, trial.melody, trial.run, trial.document, trial.task
local log, go = trial.log, trial.go

before_each(trial.open)

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
    local shown = symphony("show").out
    assert.matches("task bad\n", shown, 1, true)
    assert.matches("list  2 of 2 ", shown, 1, true)
    local again = symphony("resume", "last", "--retry", "bad")
    assert.equal(1, again.code)
    assert.matches("symphony fork 1 --from bad   does it again", again.err, 1, true)
  end)

  it("is what why says of the task and of what undid it", function()
    run('m:task("c", "toy.write", { line = "c" }, { compensate = { "toy.fail", {} } })\n'
      .. BODY:gsub('"list" }, on_error', '"list", "c" }, on_error'), 1)
    local undone = "it ran, and was undone at %d+%-%d+%-%d+ %d+:%d+:%d+ UTC by toy.write "
    local said = document(symphony("why", "1", "a", "--json")).tasks[1]
    assert.equal("undone", said.verdict)
    assert.matches("^" .. undone .. "%(a/compensate%)$", said.reasons[1].text)
    assert.matches(undone .. "%(list/2/compensate%)\n", symphony("why", "1", "list/2").out)
    assert.matches("\n  it undoes `list/2`\n", symphony("why", "1", "list/2/compensate").out, 1, true)
    local kept = symphony("why", "1", "c").out
    assert.matches("c  toy.write  ran\n  it ran; undoing it by toy.fail (c/compensate) failed: it always fails", kept, 1, true)
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
    local c = trial.start("run", "v", "--json")
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
    local c = trial.start("run", "v")
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
    support.write_file(trial.dir .. "/again.json", json_text)
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
