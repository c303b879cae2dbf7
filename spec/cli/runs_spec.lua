--- Runs as processes: signals, kill -9 and resume, detaching, two processes, a terminal.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local SLOW = [[
local m = require "melody" "slow"
local a = m:task("a", "process.run", { argv = { "echo", "first" } })
local b = m:task("b", "process.run", { argv = { "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; echo second" } },
                 { after = { "a" }, timeout = "60s" })
local c = m:task("c", "process.run", { argv = { "echo", "third" } }, { after = { "b" } })
m:output("third", c.stdout)
m:output("first", a.stdout)
m:output("second", b.stdout)
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function show(run)
  return json.decode(symphony("show", run or "last", "--json").out)
end

local function task_of(document, key)
  for _, task in ipairs(document.tasks or {}) do
    if task.key == key then return task end
  end
end

local function begin()
  local c = support.start_symphony({ "run", "slow" }, { cwd = dir })
  support.wait_until(function()
    local document = show()
    local b = task_of(document, "b")
    return document.alive and b and b.status == "executing"
  end, 20)
  return c
end

local function let_go()
  support.write_file(dir .. "/go", "")
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/slow.lua", SLOW)
  assert.equal(0, symphony("trust").code)
end)

describe("a run that is stopped by SIGINT", function()
  it("is parked with exit 130, says how to go on, and resume gives what an undisturbed run gives", function()
    local c = begin()
    c:kill "INT"
    support.wait_until(function() return c:err():find "stopping" end)
    let_go()
    local r = assert(c:wait(30))
    assert.equal(130, r.code, r.err)
    assert.matches("symphony resume 1", r.err)
    assert.equal("paused", show().status)
    local resumed = symphony("resume", "--json")
    assert.equal(0, resumed.code, resumed.err)
    assert.same({ first = "first\n", second = "second\n", third = "third\n" }, json.decode(resumed.out).outputs)
  end)
end)

describe("a run whose process is killed", function()
  it("is interrupted, the next command says so, and its uncertain task waits for a decision", function()
    local c = begin()
    c:kill("KILL", true)
    assert(c:wait(10))
    local document = show()
    assert.equal("paused", document.status)
    assert.is_true(document.interrupted)
    assert.matches("run #1 was interrupted   symphony resume 1", symphony("runs").err)
    local waiting = symphony "resume"
    assert.equal(5, waiting.code, waiting.out .. waiting.err)
    assert.matches("resume 1 %-%-retry b", waiting.err)
    let_go()
    local done = symphony("resume", "1", "--retry", "b", "--json")
    assert.equal(0, done.code, done.out .. done.err)
    assert.equal("second\n", json.decode(done.out).outputs.second)
  end)

  it("goes on with a result that is supplied", function()
    local c = begin()
    c:kill("KILL", true)
    assert(c:wait(10))
    assert.equal(5, symphony("resume").code)
    local done = symphony("resume", "--result", 'b={"exit_code":0,"stdout":"mine","stderr":""}', "--json")
    assert.equal(0, done.code, done.out .. done.err)
    assert.equal("mine", json.decode(done.out).outputs.second)
  end)
end)

describe("a run of a living process", function()
  it("is not taken over by another", function()
    local c = begin()
    local r = symphony("resume", "1")
    assert.equal(1, r.code)
    assert.matches("error[run_owned]", r.err, 1, true)
    let_go()
    assert.equal(0, assert(c:wait(30)).code)
  end)

  it("is cancelled by another, and cancelling again changes nothing", function()
    local c = begin()
    local r = symphony("cancel", "1", "--json")
    assert.equal(0, r.code, r.err)
    assert.equal("cancelled", json.decode(r.out).status)
    assert.equal(1, assert(c:wait(30)).code)
    r = symphony("cancel", "1", "--json")
    assert.equal(0, r.code)
    assert.equal("cancelled", json.decode(r.out).status)
  end)
end)

describe("a detached run", function()
  it("goes on without its starter", function()
    local r = symphony("run", "slow", "--detach", "--json")
    assert.equal(0, r.code, r.err)
    local number = json.decode(r.out).number
    assert.equal(1, number)
    let_go()
    support.wait_until(function() return show("1").status == "completed" end, 20)
  end)

  it("reports why it did not start", function()
    support.write_file(dir .. "/melodies/slow.lua", "return 1")
    local r = symphony("run", "slow", "--detach", "--json")
    assert.equal(2, r.code)
    assert.equal("melody_invalid", json.decode(r.out).error.code)
  end)
end)

describe("on a terminal", function()
  it("progress is drawn anew, with a bar, and what stays is the last picture", function()
    let_go()
    local r = support.run({ support.bin, "run", "slow" },
      { cwd = dir, pty = true, env = { TERM = "xterm", NO_COLOR = "1" } })
    assert.equal(0, r.code, r.out)
    assert.matches("\27%[%d+A\27%[J", r.out)
    assert.matches("%d/3", r.out)
    local last = r.out:gsub("^.*\27%[J", "")
    assert.matches("✓ a", last)
    assert.matches("✓ b", last)
    assert.is_nil(r.out:find "\27%[%d*m")
  end)

  it("keeps to the width of a narrow one, so that no line is left behind", function()
    let_go()
    local r = support.run({ support.bin, "run", "slow" },
      { cwd = dir, pty = true, columns = 34, env = { TERM = "xterm", NO_COLOR = "1" } })
    assert.equal(0, r.code, r.out)
    local lines = 0
    for line in r.out:gsub("\27%[%d*%a", ""):gmatch "[^\r\n]+" do
      if line:find "^  [✓›]" or line:find "%d/3" then
        lines = lines + 1
        assert.is_true(assert(utf8.len(line)) <= 34, line)
      end
    end
    assert.is_true(lines > 3)
  end)

  it("has a table of runs that leaves out what does not fit", function()
    let_go()
    assert.equal(0, symphony("run", "slow").code)
    for columns = 24, 80, 8 do
      local r = support.run({ support.bin, "runs" },
        { cwd = dir, pty = true, columns = columns, env = { TERM = "xterm", NO_COLOR = "1" } })
      assert.equal(0, r.code, r.out)
      for line in r.out:gmatch "[^\r\n]+" do assert.is_true(assert(utf8.len(line)) <= columns, line) end
      assert.matches("%d  %S+  %S+", r.out)
      local dated = r.out:find "%d+%-%d+%-%d+ %d+:%d+:%d+" ~= nil
      if columns <= 40 or columns >= 64 then assert.equal(columns >= 64, dated, columns .. "\n" .. r.out) end
    end
  end)

  it("is drawn nowhere else", function()
    let_go()
    local r = symphony("run", "slow")
    assert.is_nil(r.out:find "\27")
  end)
end)
