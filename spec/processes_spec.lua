--- Several processes on one project: both work, an owner that stands still keeps its run, a killed one loses it.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local SLOW = [[
local m = require "melody" "slow"
local tag = m:param("tag", { type = "string", default = "" })
local a = m:task("a", "file.write", { path = m.text "a{params.tag}", content = "first" })
local b = m:task("b", "slow.wait", { path = m.text "go{params.tag}" }, { after = { a } })
m:output("b", b)
return m
]]

local MANIFEST = [[
[extension]
name = "slow"
version = "0.1.0"
type = "operator"
description = "Waits for a file."
[operator]
operator_type = "test"
[operation.wait]
doc = "Waits until a file is there."
effects = "read"
[capabilities]
fs.read = ["$PROJECT/**"]
timeout = "2m"
cpu = "60s"
]]

local CODE = [[
local fs, time = require "fs", require "time"
return { wait = function(input)
  while not fs.exists(input.path) do time.sleep(0.01) end
  return "second"
end }
]]

local dir

local function symphony(...) return support.symphony({ ... }, { cwd = dir }) end

local function show(run) return json.decode(symphony("show", run or "last", "--json").out) end

--- Starts run number `tag` and waits until it is in the middle of its second task, and that is committed.
local function begin(tag)
  local c = support.start_symphony({ "run", "slow", "-p", "tag=" .. tag }, { cwd = dir })
  support.wait_until(function()
    local r = symphony("show", tag, "--json")
    local tasks = r.code == 0 and json.decode(r.out).tasks
    return tasks and tasks[2] and tasks[2].status == "executing"
  end, 30)
  return c
end

local function let_go(tag) support.write_file(dir .. "/go" .. tag, "") end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/slow.lua", SLOW)
  support.write_file(dir .. "/extensions/slow/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/slow/init.lua", CODE)
  assert.equal(0, symphony("trust").code)
end)

describe("two processes on one project", function()
  it("both run their melodies, with numbers of their own", function()
    local one, two = begin "1", begin "2"
    local shown = { show("1"), show("2") }
    assert.is_true(shown[1].alive and shown[2].alive)
    assert.not_equal(shown[1].run, shown[2].run)
    let_go "2"
    assert.equal(0, assert(two:wait(30)).code)
    let_go "1"
    assert.equal(0, assert(one:wait(30)).code)
    assert.equal("completed", show("1").status)
    assert.equal("completed", show("2").status)
  end)

  it("eight that begin at the same moment, on a new database, all complete", function()
    local all, numbers = {}, {}
    for i = 1, 8 do all[i] = support.start_symphony({ "run", "hello", "--json" }, { cwd = dir }) end
    for i = 1, 8 do
      local r = assert(all[i]:wait(60))
      assert.equal(0, r.code, r.out .. r.err)
      numbers[i] = json.decode(r.out).number
    end
    table.sort(numbers)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, numbers)
  end)

  it("a follower sees what another process commits", function()
    local follower = support.start_symphony({ "events", "--follow", "--json", "--topic", "run.>" }, { cwd = dir })
    local c = begin "1"
    let_go "1"
    assert.equal(0, assert(c:wait(30)).code)
    support.wait_until(function() return follower:out():find '"run.completed"' or follower:out():find '"run.finished"'
      or follower:out():find "run%.[^%s]*completed" end, 20)
    follower:kill "INT"
    assert.equal(130, assert(follower:wait(20)).code)
  end)
end)

describe("a run whose owner stands still", function()
  it("stays its owner's, until that is killed", function()
    local c = begin "1"
    c:kill("STOP", true)
    for _, words in ipairs { { "resume" }, { "resume", "1" } } do
      local r = symphony(table.unpack(words))
      assert.equal(1, r.code, r.out .. r.err)
      assert.matches("error[run_owned]", r.err, 1, true)
    end
    assert.is_true(show("1").alive)
    assert.equal(0, symphony("run", "hello").code)
    let_go "1"
    c:kill("KILL", true)
    assert(c:wait(10))
    assert.is_true(show("1").interrupted)
    local r = symphony("resume", "1", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("second", json.decode(r.out).outputs.b)
  end)

  it("is cancelled once it goes on", function()
    local c = begin "1"
    c:kill("STOP", true)
    local asker = support.start_symphony({ "cancel", "1", "--json" }, { cwd = dir })
    support.wait_until(function() return symphony("runs").code == 0 end)
    c:kill("CONT", true)
    assert.equal(1, assert(c:wait(30)).code)
    local r = assert(asker:wait(30))
    assert.equal(0, r.code, r.err)
    assert.equal("cancelled", show("1").status)
    assert.equal(1, symphony("resume", "1").code)
  end)
end)

describe("a run that has ended", function()
  it("is printed by resume with its exit code, and cancel changes nothing", function()
    let_go ""
    assert.equal(0, symphony("run", "slow").code)
    local r = symphony("resume", "1", "--json")
    assert.equal(0, r.code, r.err)
    assert.same(show("1"), json.decode(r.out))
    r = symphony("cancel", "1", "--json")
    assert.equal(0, r.code)
    assert.equal("completed", json.decode(r.out).status)
    assert.equal(4, symphony("resume", "9").code)
    assert.equal(4, symphony("cancel", "9").code)
  end)
end)

describe("a detached run", function()
  it("is acknowledged once committed, goes on alone, and is cancelled by another process", function()
    local r = symphony("run", "slow", "--detach", "--json")
    assert.equal(0, r.code, r.err)
    local told = json.decode(r.out)
    assert.equal(1, told.number)
    support.wait_until(function() return support.exists(dir .. "/a") end, 30)
    assert.is_true(show("1").alive)
    assert.equal(0, symphony("cancel", "1").code)
    assert.equal("cancelled", show("1").status)
  end)

  it("survives the session of its starter", function()
    support.sh(("setsid '%s' run slow --detach >/dev/null"):format(support.bin), { cwd = dir })
    let_go ""
    support.wait_until(function() return show("1").status == "completed" end, 30)
  end)
end)
