--- symphony melody test: stubs, recordings, a clock that skips waiting, reports.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MELODY = [[
local melody = require "melody"
local m = melody "v"
local found = m:task("found", "file.glob", { pattern = "*.md" })
local texts = m:each("texts", found.files, "file.read", function(file)
  return { path = file.path }
end, { on_error = "skip", max_parallel = 1 })
local first = m:task("first", "file.read", { path = found.files[1].path }, {
  retry = { max = 3, backoff = "exponential", delay = "1h", jitter = 0 }, attempt_timeout = "10m",
  fallback = { { "file.read", { path = "other" } } }, when = "#found.files > 0", on_error = "skip",
})
local sure = m:ask("sure", "Send it?", { type = "boolean" }, { timeout = "7d", default = false, after = { texts } })
m:output("texts", texts)
m:output("first", melody.soft(first.content, "none"))
m:output("sure", sure)
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

--- Writes a test with these cases (Lua text) and runs it; its document.
local function run(cases, code, ...)
  support.write_file(dir .. "/melodies/v_test.lua",
    'local test = require "melody.test"\nlocal t = test "v"\n' .. cases .. "\nreturn t\n")
  local r = symphony("melody", "test", "v", "--json", ...)
  assert.equal(code, r.code, r.out .. r.err)
  return json.decode(r.out), r
end

--- The problems of one case of this body.
local function problems(body)
  local document = run('t:case("c", {' .. body .. "})", 1)
  assert.is_false(document.cases[1].ok)
  return table.concat(document.cases[1].problems, "\n")
end

local FILES = 'found = { files = { { path = "a.md", size = 1 } }, summary = "", truncated = false }, '
local TEXT = '{ content = "text", size = 4 }'

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/v.lua", MELODY)
  support.write_file(dir .. "/a.md", "alpha")
  support.write_file(dir .. "/b.md", "beta")
  assert.equal(0, symphony("trust").code)
end)

describe("a test that is none", function()
  local wrong = {
    { "t.case('a')", "called with a colon" },
    { "", "the test has no cases" },
    { "t:case('a') t:case('a')", "two cases are named" },
    { "t:case('a', { stub = {} })", "a case has no field `stub`" },
    { "t:case('a', { expect = { outcome = {} } })", "expect has no field `outcome`" },
    { "t:case('a', { stubs = { function() end } })", "stubs are named by the keys of tasks" },
    { "t:case('a', { stubs = { found = function() end } })", "which cannot be stored" },
    { "t:case('a', { expect = { check = 5 } })", "expect.check is a function" },
    { "test.sequence {}", "needs a list" },
    { "os.execute 'true'", "" },
    { "t:case('a', { stubs = { fuond = {} } })", "did you mean `found`?" },
    { "t:case('a', { stubs = { ['*/x'] = {} } })", "the case `a` has a stub for `*/x`, and the melody has no such task" },
    { "t:case('a', { stubs = { ['texts/one'] = {} } })", "nothing of that name is below `texts`" },
    { "t:case('a', { stubs = { [''] = {} } })", "has a stub for ``" },
    { "t:case('a', { stubs = { ['first/compensate'] = {} } })", "nothing of that name is below `first`" },
    { "t:case('a', { answers = { zzz = 1 } })", "there are: found, texts, first, sure" },
  }
  for _, case in ipairs(wrong) do
    it("is refused: " .. case[1], function()
      local _, r = run(case[1], 2)
      assert.matches(case[2], r.out, 1, true)
      assert.matches('"file":"melodies/v_test.lua"', r.out, 1, true)
    end)
  end

  it("is not found", function()
    assert.equal(4, symphony("melody", "test", "gone").code)
    assert.equal(4, symphony("melody", "test").code)
  end)

  it("of a project that is not trusted does not run", function()
    run('t:case("c", { stubs = { ' .. FILES .. 'first = ' .. TEXT .. ', ["texts/*"] = ' .. TEXT .. ' } })', 0)
    assert.equal(0, symphony("untrust").code)
    assert.equal(3, symphony("melody", "test", "v").code)
  end)
end)

describe("stubs", function()
  it("stand for the outputs of tasks; nothing is called, nothing is written", function()
    local document = run('t:case("c", { stubs = { ' .. FILES .. 'first = ' .. TEXT .. ', ["texts/*"] = ' .. TEXT .. [[ },
      expect = { outputs = { texts = { { content = "text" } }, first = "text", sure = false },
                 order = { "found", "texts", "sure" }, ran = { "found", "texts/1" }, tasks = { "found", "texts", "first", "sure" },
                 inputs = { first = { path = "a.md" } }, attempts = { first = 1 }, cost = { usd = 0, tokens = 0 } } })]], 0)
    assert.same({ passed = 1, failed = 0 }, { passed = document.passed, failed = document.failed })
    assert.is_false(support.exists(dir .. "/.symphony/symphony.db"))
  end)

  it("may stand for a whole map, a question, and be answered", function()
    run([[t:case("c", { stubs = { ]] .. FILES .. [[first = ]] .. TEXT .. [[, texts = { 1, 2 } }, answers = { sure = true },
      expect = { outputs = { texts = { 1, 2 }, sure = true } } })
t:case("d", { stubs = { ]] .. FILES .. [[first = ]] .. TEXT .. [[, texts = {}, sure = true },
      expect = { outputs = { sure = true } } })]], 0)
  end)

  it("that are missing fail the task, offline, and it says how to record", function()
    assert.matches("`found` would call file.glob, and there is no stub and no recording", problems "", 1, true)
    local hint = "symphony melody test --record   records what is called"
    local document = run('t:case("c", { stubs = { ' .. FILES .. 'texts = {} }, expect = { outcomes = { first = "ok" } } })', 1)
    assert.equal(hint, document.cases[1].hint)
    assert.matches("      " .. hint, symphony("melody", "test").out, 1, true)
    assert.matches('hint: "' .. hint, symphony("melody", "test", "--tap").out, 1, true)
  end)

  it("must fit the operation's schema", function()
    assert.matches("its output breaks its own schema", problems 'stubs = { found = { files = 5 } }', 1, true)
  end)

  it("fail, in sequence, with time that passes at once: retries, fallbacks, timeouts", function()
    local began = os.time()
    run([[
local files = { files = { { path = "a.md", size = 1 } }, summary = "", truncated = false }
local text = { content = "text", size = 4 }
t:case("third time", { stubs = { found = files, texts = {}, first = test.sequence {
    test.fail("timeout", "slow"), test.fail("busy", "later", { transient = true }), test.give(text, { usd = 0.01, tokens = 7 }) } },
  expect = { attempts = { first = 3 }, outcomes = { first = "ok" }, outputs = { first = "text" }, cost = { tokens = 7, usd = 0.02 } } })
t:case("too slow, each time", { stubs = { found = files, texts = {}, first = test.give(text, { ms = 660000 }) },
  expect = { outcomes = { first = "timeout" }, attempts = { first = 5 }, outputs = { first = "none" } } })
t:case("never", { stubs = { found = files, texts = {}, first = test.fail("boom") },
  expect = { outcomes = { first = "error" }, outputs = { first = "none" },
             check = function(run) return run.tasks.first.error.message == "boom", run.tasks.first.error.message end } })]], 0)
    assert.is_true(os.time() - began < 30)
  end)
end)

describe("expectations", function()
  local STUBS = "stubs = { " .. FILES .. "first = " .. TEXT .. ", texts = {} }, "
  local wrong = {
    { 'expect = { status = "failed" }', "the run is completed, not failed" },
    { 'expect = { error = "timeout" }', "the run's error is none, not timeout" },
    { 'expect = { outputs = { first = "other" } }', 'outputs.first is "text", not "other"' },
    { 'expect = { outputs = { gone = 1 } }', "outputs.gone is nothing, not 1" },
    { 'expect = { tasks = { "found" } }', "there is a task `first`, too" },
    { 'expect = { tasks = { "fond" } }', "there is no task `fond`" },
    { 'expect = { ran = { "texts/7" } }', "`texts/7` did not run" },
    { 'expect = { not_run = { "f*" } }', "ran" },
    { 'expect = { order = { "sure", "found" } }', "`found` began before `sure` had ended" },
    { 'expect = { outcomes = { first = "skipped" } }', '`first` has the outcome "ok", not "skipped"' },
    { 'expect = { attempts = { first = 2 } }', "the number of attempts 1, not 2" },
    { 'expect = { inputs = { first = { path = "b" } } }', 'the input of `first`.path is "a.md", not "b"' },
    { 'expect = { cost = { euros = 1 } }', "cost has usd, tokens and ms" },
    { 'expect = { check = function() return false, "no" end }', "no" },
    { 'expect = { check = function() error "oh" end }', "oh" },
    { 'expect = { check = function() while true do end end }', "" },
    { "params = { x = 1 }", "has no parameter `x`" },
    { 'answers = { sure = "yes" }', "the answer to `sure`" },
  }
  for _, case in ipairs(wrong) do
    it("that are not met are told: " .. case[1], function()
      assert.matches(case[2], problems(STUBS .. case[1]), 1, true)
    end)
  end
end)

describe("a stub's key", function()
  local known = require "cli.testing.known"
  local undo = { compensate = { operation = "x.y" } }
  local sub = { tasks = { { key = "read", verb = "task", options = undo }, { key = "again", verb = "sub", melody = "s" } } }
  local top = { melodies = { s = sub }, tasks = {
    { key = "a", verb = "task" }, { key = "e", verb = "each", options = undo }, { key = "l", verb = "loop" },
    { key = "s", verb = "sub", melody = "s" }, { key = "flow", verb = "flow" } } }

  it("names a task, wherever it lies", function()
    for _, key in ipairs { "a", "*", "e", "e/*", "e/12", "e/3/compensate", "e/compensate", "l/1", "s/read", "s/*",
                           "s/read/compensate", "s/again/again/read", "*/read", "flow/anything/2", "s/**" } do
      assert.is_nil(known.unknown(top, key), key)
    end
  end)

  it("of no task is told, with the nearest", function()
    assert.equal("there are: a, e, l, s, flow", known.unknown(top, "zzzzz"))
    assert.equal("did you mean `read`?", known.unknown(top, "s/raed"))
    assert.equal("in `s/again` there are: read, again", known.unknown(top, "s/again/zzzzzz"))
    for _, key in ipairs { "a/1", "e/x", "e/1/2", "l/1/compensate", "s/read/1", "a/compensate", "e/*/*/zzz" } do
      assert.is_string(known.unknown(top, key), key)
    end
  end)
end)

describe("recordings", function()
  local CASE = 't:case("c", { answers = { sure = true }, expect = { outputs = { first = "alpha" } } })'

  it("are made of what is called, and played offline by task and input", function()
    run(CASE, 0, "--record")
    local tape = json.decode(support.read_file(dir .. "/melodies/v_test.tape.json"))
    local found = {}
    for _, entry in ipairs(tape.cases.c) do found[entry.task] = entry end
    assert.equal("file.glob", found.found.operation)
    assert.matches("^sha256:%x+$", found["texts/2"].input)
    assert.equal("beta", found["texts/2"].output.content)
    os.remove(dir .. "/a.md")
    os.remove(dir .. "/b.md")
    run(CASE, 0)
  end)

  it("do not serve another input", function()
    run(CASE, 0, "--record")
    support.write_file(dir .. "/melodies/v.lua", (MELODY:gsub('"%*%.md"', '"*.txt"')))
    local document = run(CASE, 1)
    assert.matches("no stub and no recording for this input", document.cases[1].problems[1], 1, true)
  end)

  it("give way to stubs", function()
    run(CASE, 0, "--record")
    run('t:case("c", { stubs = { first = { content = "mine", size = 4 } }, expect = { outputs = { first = "mine" } } })', 0)
  end)

  it("that are damaged are refused", function()
    run(CASE, 0, "--record")
    support.write_file(dir .. "/melodies/v_test.tape.json", "{")
    local _, r = run(CASE, 2)
    assert.matches("v_test.tape.json", r.out, 1, true)
  end)
end)

describe("reports", function()
  local CASES = [[
t:case("good", { stubs = { ]] .. FILES .. "first = " .. TEXT .. [[, texts = {} } })
t:case("bad <&>", { expect = { status = "completed" } })]]

  it("are for people by default", function()
    run(CASES, 1)
    local r = symphony("melody", "test", "v")
    assert.matches("✓  good", r.out, 1, true)
    assert.matches("1 passed, 1 failed", r.out, 1, true)
  end)

  it("may be TAP", function()
    run(CASES, 1)
    local r = symphony("melody", "test", "--tap")
    assert.equal(1, r.code)
    assert.matches("TAP version 13\n1..2\nok 1 - v: good\nnot ok 2 - v: bad <&>", r.out, 1, true)
  end)

  it("may be JUnit's XML", function()
    local _, r = run(CASES, 1, "--junit", dir .. "/report.xml")
    assert.equal("", r.err)
    local xml = support.read_file(dir .. "/report.xml")
    assert.matches('<testsuites tests="2" failures="1">', xml, 1, true)
    assert.matches('name="bad &lt;&amp;&gt;"', xml, 1, true)
    assert.matches("<failure message=", xml, 1, true)
    assert.equal(1, symphony("melody", "test", "--junit", dir .. "/no/report.xml").code)
  end)

  it("leave tests out of the list of melodies", function()
    run(CASES, 1)
    assert.is_nil(symphony("melody", "ls").out:find("v_test", 1, true))
  end)
end)
