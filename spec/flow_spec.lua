-- Flow control from outside: keys, rates, limits of the settings, priorities, dedupe ids; and that `why` tells it.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function melody(name, text)
  support.write_file(("%s/melodies/%s.lua"):format(dir, name), ("local m = require 'melody' '%s'\n%s\nreturn m\n")
    :format(name, text))
end

local function query(sql)
  local db = require("sy.core").open { project = dir, user_dir = dir .. "/user" }
  local rows = db:query(sql, {})
  db:close()
  return rows
end

--- Each of the tasks writes `+name` when it begins and `-name` when it ends.
local WRITES = [[
local function writes(name, before)
  return { argv = { "sh", "-c", "echo +$0 >>log; " .. (before or ":") .. "; echo -$0 >>log", name } }
end
]]

--- The greatest number of tasks whose name has `pattern` that were inside at once.
local function most_at_once(pattern)
  local inside, most = 0, 0
  for sign, name in support.read_file(dir .. "/log"):gmatch "([+-])([^\n]*)\n" do
    if name:find(pattern) then inside = inside + (sign == "+" and 1 or -1) end
    most = math.max(most, inside)
  end
  assert.equal(0, inside)
  return most
end

before_each(function()
  dir = paths.real(support.tmpdir())
  assert.equal(0, symphony("init").code)
  assert.equal(0, symphony("trust").code)
end)

describe("a key", function()
  it("lets one task of it in at a time, and delays no other", function()
    melody("keys", WRITES .. [[
local hosts = { "a", "a", "a", "b" }
m:each("c", hosts, "process.run", function(host, i)
  -- the first of `a` ends only after the task of `b`, which stands behind two that wait
  local before = i == 1 and "while ! grep -q -- -b log; do sleep 0.02; done"
  return { argv = { "sh", "-c", "echo +$0 >>log; " .. (before or ":") .. "; echo -$0 >>log", host } }
end, { key = "host {item}" })]])
    local r = symphony("run", "keys", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal(1, most_at_once "a")
    local why = symphony("why", "last", "c/2")
    assert.matches("waited %d+ ms at key host a %(1 at a time%)", why.out)
  end)

  it("may let several in", function()
    melody("pairs", WRITES .. [[
m:each("c", { 1, 2, 3, 4 }, "process.run", function(i)
  return { argv = { "sh", "-c", "echo +x$0 >>log; while [ $(grep -c + log) -lt 2 ]; do sleep 0.02; done; echo -x$0 >>log",
                    tostring(i) } }
end, { key = { name = "pair", limit = 2 } })]])
    assert.equal(0, symphony("run", "pairs").code)
    assert.equal(2, most_at_once "x")
  end)

  it("may be made of another task's output", function()
    melody("made", WRITES .. [[
local name = m:task("name", "process.run", { argv = { "printf", "blue" } })
m:task("one", "process.run", writes "x1", { key = m:text "{name.stdout} key" })
m:task("two", "process.run", writes "x2", { key = m:text "{name.stdout} key" })
m:task("three", "process.run", writes "x3", { key = m:text "{name.stdout} key" })]])
    local r = symphony("run", "made")
    assert.equal(0, r.code, r.err)
    assert.equal(1, most_at_once "x")
  end)

  it("of a map that names something unknown is refused before anything runs", function()
    melody("bad", [[m:each("c", { 1 }, "file.list", function() return { path = "." } end, { key = "{itme.host}" })]])
    local r = symphony("run", "bad")
    assert.equal(2, r.code)
    assert.matches("{item}", r.err)
  end)
end)

describe("limits of the settings", function()
  local SIX = WRITES .. [[
for i = 1, 6 do m:task("t" .. i, "process.run", writes("x" .. i)) end]]

  it("hold for an extension", function()
    melody("six", SIX)
    assert.equal(0, symphony("config", "set", "limits.extension.process.parallel", "1").code)
    assert.equal(0, symphony("run", "six").code)
    assert.equal(1, most_at_once "x")
    assert.equal("1", symphony("config", "get", "limits.extension.process.parallel").out:match "%d+")
    assert.matches("project config: .*config.toml:%d+",
      symphony("config", "get", "limits.extension.process.parallel", "--why").out)
    assert.matches("waited %d+ ms at extension process", symphony("why", "last", "*").out)
  end)

  it("hold for the whole host", function()
    melody("six", SIX)
    assert.equal(0, symphony("config", "set", "limits.tasks", "1").code)
    assert.equal(0, symphony("run", "six").code)
    assert.equal(1, most_at_once "x")
  end)

  it("give a key its rate: what comes too late is refused, and why says by what", function()
    melody("rated", [[
m:each("c", { 1, 2, 3 }, "process.run", function() return { argv = { "true" } } end,
       { key = "api", queue_timeout = "50ms", on_error = "skip" })]])
    assert.equal(0, symphony("config", "set", "limits.key.api.rate", "1/h").code)
    assert.equal(0, symphony("config", "set", "limits.key.api.parallel", "3").code)
    local r = symphony("run", "rated", "--json")
    assert.equal(0, r.code, r.err)
    local ok, late = 0, 0
    for _, task in ipairs(json.decode(r.out).tasks) do
      if task.key:find "/" then
        ok, late = ok + (task.outcome == "ok" and 1 or 0), late + (task.outcome == "timeout" and 1 or 0)
      end
    end
    assert.same({ 1, 2 }, { ok, late })
    assert.matches("key api .*one every 3600000", symphony("why", "last", "c/*").out)
  end)

  it("that mean nothing are refused", function()
    local r = symphony("config", "set", "limits.key.api.rate", "10/fortnight")
    assert.equal(2, r.code)
    assert.matches("10/s", r.err)
    assert.equal(4, symphony("config", "set", "limits.kye.api.rate", "10/s").code)
  end)
end)

describe("priorities", function()
  it("decide who goes first where one runs at a time", function()
    melody("order", WRITES .. [[
local first = m:task("first", "process.run", writes "first")
for i = 1, 5 do m:task("t" .. i, "process.run", writes("x" .. i), { after = { first }, priority = i }) end]])
    assert.equal(0, symphony("run", "order", "--parallel", "1").code)
    local order = {}
    for name in support.read_file(dir .. "/log"):gmatch "%+(x%d)" do order[#order + 1] = name end
    assert.same({ "x5", "x4", "x3", "x2", "x1" }, order)
  end)
end)

describe("a weight", function()
  it("is kept with the run", function()
    melody("one", [[m:task("a", "file.list", { path = "." })]])
    assert.equal(0, symphony("run", "one", "--weight", "7").code)
    assert.same({ { w = 7 } }, query "SELECT options ->> '$.weight' AS w FROM pipeline_orchestration")
    assert.equal(2, symphony("run", "one", "--weight", "0").code)
  end)
end)

describe("a dedupe id", function()
  it("gives the run that is there, with the exit code of its state", function()
    melody("one", [[m:output("said", m:task("a", "process.run", { argv = { "echo", "once" } }).stdout)]])
    assert.equal(0, symphony("run", "one", "--dedupe", "today").code)
    local again = symphony("run", "one", "--dedupe", "today", "--json")
    assert.equal(0, again.code)
    assert.equal(1, json.decode(again.out).number)
    assert.matches("nothing was started", again.err)
    assert.equal(0, symphony("run", "one", "--dedupe", "tomorrow").code)
    assert.same({ { n = 2 } }, query "SELECT count(*) AS n FROM pipeline_orchestration")
    local detached = symphony("run", "one", "--dedupe", "today", "--detach", "--json")
    assert.same({ 0, 1 }, { detached.code, json.decode(detached.out).number })
  end)

  it("of a run that failed starts another", function()
    melody("one", [[m:task("a", "process.run", { argv = { "sh", "-c", "[ -e there ]" }, check = true })]])
    assert.equal(1, symphony("run", "one", "--dedupe", "x").code)
    support.write_file(dir .. "/there", "")
    assert.equal(0, symphony("run", "one", "--dedupe", "x").code)
    assert.equal(0, symphony("run", "one", "--dedupe", "x").code)
    assert.same({ { n = 2 } }, query "SELECT count(*) AS n FROM pipeline_orchestration")
  end)

  it("is one run although several processes ask at once", function()
    melody("slow", [[m:task("a", "process.run", { argv = { "sh", "-c", "echo x >>ran; while [ ! -e go ]; do sleep 0.02; done" } })]])
    local all = {}
    for i = 1, 4 do all[i] = support.start_symphony({ "run", "slow", "--dedupe", "race", "--json" }, { cwd = dir }) end
    local ended = {}
    support.wait_until(function()
      for i, c in ipairs(all) do ended[i] = ended[i] or c:wait(0) end
      local n = 0
      for i = 1, 4 do n = n + (ended[i] and 1 or 0) end
      return n >= 3
    end, 50)
    support.write_file(dir .. "/go", "")
    local running, done = 0, 0
    for i, c in ipairs(all) do
      local r = ended[i] or assert(c:wait(30))
      assert.equal(0, r.code, r.out .. r.err)
      local document = json.decode(r.out)
      assert.equal(1, document.number)
      if document.status == "completed" then done = done + 1 else running = running + 1 end
    end
    assert.same({ 3, 1 }, { running, done })
    assert.equal("x\n", support.read_file(dir .. "/ran"))
  end)

  it("that is none is refused", function()
    melody("one", [[m:task("a", "file.list", { path = "." })]])
    assert.equal(2, symphony("run", "one", "--dedupe", "").code)
    assert.equal(2, symphony("run", "one", "--dedupe", ("x"):rep(300)).code)
  end)
end)
