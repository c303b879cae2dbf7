--- kill -9 at any instant, then resume: what an undisturbed run gives. SYMPHONY_LONG: 1,000 kills instead of 30.
--- SYMPHONY_SEED repeats the moments of a run that failed.
local json = require "sy.json"
local paths = require "kit.paths"
local storm = require "storm"
local support = require "support"

local KILLS = os.getenv "SYMPHONY_LONG" and 1000 or 30
local PER_PROJECT = 12
local FORKS = 4 -- one of so many rounds in a crowd is a fork

describe("kill -9 at any instant, then resume,", function()
  it("gives the outputs of an undisturbed run, and every row and artifact is sound", function()
    local seed = tonumber(os.getenv "SYMPHONY_SEED") or os.time()
    math.randomseed(seed)
    local kills, crowded = 0, false
    local ok, why = pcall(function()
      while kills < KILLS do
        local one = storm.new(math.random, crowded)
        one:calm()
        while one.kills < PER_PROJECT and kills + one.kills < KILLS do
          one[crowded and math.random(FORKS) == 1 and "fork" or "round"](one)
        end
        one:check()
        kills, crowded = kills + one.kills, not crowded
      end
    end)
    if not ok then error(("SYMPHONY_SEED=%d, after %d kills: %s"):format(seed, kills, tostring(why)), 0) end
  end)
end)

describe("kill -9 at every named point between two writes, then resume,", function()
  it("gives the outputs of an undisturbed run, and every row and artifact is sound", function()
    local seed = tonumber(os.getenv "SYMPHONY_SEED") or os.time()
    math.randomseed(seed)
    local points = storm.points()
    assert.is_true(#points > 20)
    local one, kills, unpassed = storm.new(math.random, true), 0, {}
    one:calm()
    for _ = 1, os.getenv "SYMPHONY_LONG" and 25 or 1 do
      for _, point in ipairs(points) do
        local passes = math.random(one.passed[point] or 1)
        local ok, why = pcall(one.round, one, { point = point, passes = passes })
        local swept = one.swept[point]
        if ok and swept then
          passes = math.random(swept)
          ok, why = pcall(one.sweep, one, { point = point, passes = passes })
        end
        if not ok then error(("SYMPHONY_SEED=%d, at %s:%d: %s"):format(seed, point, passes, tostring(why)), 0) end
        unpassed[point] = unpassed[point] ~= false and one.kills == kills
        kills = one.kills
      end
      one:check()
      one, kills = one:fresh(), 0
    end
    for point, still in pairs(unpassed) do -- only a project's first run may pass it, and some not every first run
      local first
      for _ = 1, still and one.passed[point] and 20 or 0 do
        first = one:fresh()
        first:round { point = point, passes = 1 }
        first:check()
        if first.kills > 0 then break end
      end
      assert(not first or first.kills > 0, point .. " was passed, but killed nothing")
    end
  end)
end)

local EFFECT = [[
local m = require "melody" "effect"
local a = m:task("a", "process.run", { argv = { "echo", "first" } })
local b = m:task("b", "process.run", { argv = { "sh", "-c",
  "echo x >>effects; while [ ! -e go ]; do sleep 0.02; done; echo second" } }, { after = { "a" }, timeout = "60s" })
local c = m:task("c", "process.run", { argv = { "echo", b.stdout } })
m:output("first", a.stdout)
m:output("all", c.stdout)
m:output("b", require "melody".soft(b.stdout, "nothing"))
return m
]]

local dir

local function symphony(...) return support.symphony({ ... }, { cwd = dir }) end

local function show() return json.decode(symphony("show", "--json").out) end

local function effects() return support.read_file(dir .. "/effects") or "" end

--- Starts the melody and waits until its second task has done what cannot be undone.
local function begin(...)
  local c = support.start_symphony({ "run", "effect", ... }, { cwd = dir })
  support.wait_until(function() return effects() == "x\n" end, 30)
  return c
end

local function task_of(document, key)
  for _, task in ipairs(document.tasks) do
    if task.key == key then return task end
  end
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/effect.lua", EFFECT)
  assert.equal(0, symphony("trust").code)
end)

describe("an effect that may have happened", function()
  before_each(function()
    local c = begin()
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(dir .. "/go", "")
  end)

  it("is never repeated unasked: the run waits and names the three ways out", function()
    for _ = 1, 2 do
      local r = symphony "resume"
      assert.equal(5, r.code, r.out .. r.err)
      assert.matches("resume 1 --retry b | --skip b | --result b=JSON", r.err, 1, true)
      assert.equal("x\n", effects())
    end
    local document = json.decode(symphony("resume", "--json").out)
    assert.equal("waiting", document.status)
    assert.equal("executing", task_of(document, "b").status)
    assert.equal("effect_uncertain", task_of(document, "b").error.code)
    assert.equal("completed", task_of(document, "a").status)
  end)

  it("is repeated with --retry", function()
    assert.equal(5, symphony("resume").code)
    local r = symphony("resume", "1", "--retry", "b", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("second\n\n", json.decode(r.out).outputs.all)
    assert.equal("x\nx\n", effects())
  end)

  it("is left as it is with --skip, and so is what needs it", function()
    local r = symphony("resume", "1", "--skip", "b", "--json")
    local document = json.decode(r.out)
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("skipped", task_of(document, "b").outcome)
    assert.equal("skipped", task_of(document, "c").outcome)
    assert.equal("nothing", document.outputs.b)
    assert.equal("first\n", document.outputs.first)
    assert.equal("x\n", effects())
  end)

  it("has the result that is supplied with --result", function()
    local r = symphony("resume", "1", "--result", 'b={"exit_code":0,"stdout":"mine","stderr":""}', "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("mine\n", json.decode(r.out).outputs.all)
    assert.equal("x\n", effects())
  end)

  it("takes no result that its schema does not allow, and no task that does not wait", function()
    local r = symphony("resume", "1", "--result", 'b={"exit":0}', "--json")
    assert.equal(2, r.code, r.out .. r.err)
    assert.equal("type_mismatch", json.decode(r.out).error.code)
    assert.equal(4, symphony("resume", "1", "--retry", "nobody").code)
    assert.equal(5, symphony("resume").code)
    assert.equal("x\n", effects())
  end)
end)

describe("an effect of a fallback, or of a child, that may have happened", function()
  local function interrupted(body, others)
    support.write_file(dir .. "/melodies/effect.lua", 'local m = require "melody" "effect"\n' .. body .. "return m\n")
    local c = begin()
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(dir .. "/go", "")
    local r = symphony "resume"
    assert.equal(5, r.code, r.out .. r.err)
    assert.equal("x\n" .. (others or ""), effects())
    return json.decode(symphony("show", "--json").out)
  end

  it("is not repeated though the operation itself may be", function()
    interrupted [[
local b = m:task("b", "file.read", { path = "none" }, { fallback = { { "process.run", { argv = { "sh", "-c",
  "echo x >>effects; while [ ! -e go ]; do sleep 0.02; done; echo second" } } } } })
m:output("b", b)
]]
    local r = symphony("resume", "--retry", "b", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("fallback", task_of(json.decode(r.out), "b").outcome)
    assert.equal("x\nx\n", effects())
  end)

  it("holds back only the child whose effect it is", function()
    local document = interrupted([[
local k = m:each("k", { 1, 2, 3 }, "process.run", function(i) return { argv = { "sh", "-c",
  "echo $0 >>all; [ $0 = 1 ] || echo x >>effects; while [ $0 = 2 ] && [ ! -e go ]; do sleep 0.02; done; echo $0",
  tostring(i) } } end, { max_parallel = 1 })
m:output("k", k)
]], "x\n")
    assert.equal("completed", task_of(document, "k/1").status)
    assert.equal("executing", task_of(document, "k/2").status)
    assert.equal("completed", task_of(document, "k/3").status)
    local r = symphony("resume", "--retry", "k/2", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    local outputs = json.decode(r.out).outputs.k
    for i = 1, 3 do assert.equal(i .. "\n", outputs[i].stdout) end
    assert.equal("1\n2\n3\n2\n", support.read_file(dir .. "/all"))
  end)
end)

describe("a signal", function()
  for _, signal in ipairs { "INT", "TERM" } do
    it("SIG" .. signal .. " parks with 130 and says how to go on; nothing is lost", function()
      local c = begin()
      c:kill(signal)
      support.wait_until(function() return c:err():find "stopping" end, 20)
      support.write_file(dir .. "/go", "")
      local r = assert(c:wait(30))
      assert.equal(130, r.code, r.err)
      assert.matches("symphony resume 1", r.err, 1, true)
      local document = show()
      assert.equal("paused", document.status)
      assert.is_false(document.interrupted)
      r = symphony("resume", "--json")
      assert.equal(0, r.code, r.out .. r.err)
      assert.equal("second\n\n", json.decode(r.out).outputs.all)
      assert.equal("x\n", effects())
    end)

    it("a second SIG" .. signal .. " ends it at once, resumable", function()
      local c = begin()
      c:kill(signal)
      support.wait_until(function() return c:err():find "stopping" end, 20)
      local began = support.now_ms()
      c:kill(signal)
      local r = assert(c:wait(10))
      assert.is_true(support.now_ms() - began < 1500)
      assert.equal(130, r.code or 128 + r.signal - 0, r.err)
      support.write_file(dir .. "/go", "")
      assert.equal(5, symphony("resume").code)
      assert.equal(0, symphony("resume", "--retry", "b").code)
    end)
  end
end)
