--- Melodies in code style from outside: checked, run, killed and replayed.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function melody(name, body)
  support.write_file(("%s/melodies/%s.lua"):format(dir, name), body)
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.sh("mkdir -p melodies", { cwd = dir })
  assert.equal(0, symphony("trust").code)
end)

describe("a flow", function()
  it("decides by what its calls give", function()
    support.write_file(dir .. "/a.txt", "one")
    support.write_file(dir .. "/b.txt", "three")
    melody("sizes", [[
local melody = require "melody"
local sizes = melody.flow("sizes", function(run, params)
  local total, seen = 0, {}
  for _, file in ipairs(run:call("file.glob", { pattern = "*.txt" }).files) do
    local size = run:call("file.read", { path = file.path }).size
    if size >= params.least then seen[#seen + 1] = file.path end
    total = total + size
  end
  return { total = total, seen = seen }
end)
sizes:param("least", { type = "integer", default = 4 })
return sizes
]])
    local r = symphony("run", "sizes", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    local document = json.decode(r.out)
    assert.same({ total = 8, seen = { "b.txt" } }, document.outputs.flow)
    local keys = {}
    for i, task in ipairs(document.tasks) do keys[i] = task.key end
    assert.same({ "flow", "flow/glob", "flow/read", "flow/read_2" }, keys)
    assert.same({ total = 8, seen = {} }, json.decode(symphony("run", "sizes", "-p", "least=9", "--json").out).outputs.flow)
  end)

  it("that calls what is not there is refused before it runs, with its line", function()
    melody("wrong", 'local melody = require "melody"\nreturn melody.flow("wrong", function(run)\n'
      .. '  return run:call("file.raed", { path = "x" })\nend)\n')
    local r = symphony("run", "wrong")
    assert.equal(2, r.code)
    assert.matches("did you mean `file.read`", r.err, 1, true)
  end)

  it("raises what a call fails with", function()
    melody("fails", [[
local melody = require "melody"
return melody.flow("fails", function(run)
  local ok, why = pcall(run.call, run, "file.read", { path = "none" })
  return { ok = ok, why = tostring(why) }
end)
]])
    -- the operation is named by no run:call, so it may not be called
    local outputs = json.decode(symphony("run", "fails", "--json").out).outputs.flow
    assert.is_false(outputs.ok)
    assert.matches("does not name", outputs.why)
  end)

  it("goes on after a kill, with the same time and the same chance", function()
    melody("long", [[
local melody = require "melody"
return melody.flow("long", function(run)
  local r, at = run:random(1, 1000000), run:now()
  local first = run:call("process.run", { argv = { "sh", "-c", "echo x >>effects; echo done" } })
  run:call("process.run", { argv = { "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done" } }, { key = "wait" })
  return { r = r, at = at, first = first.stdout }
end)
]])
    local c = support.start_symphony({ "run", "long" }, { cwd = dir })
    support.wait_until(function()
      local r = symphony("show", "--json")
      return r.code == 0 and r.out:find '"key":"flow/wait"' ~= nil and r.out:find '"status":"executing"' ~= nil
    end, 30)
    local before = json.decode(symphony("show", "--json").out)
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(dir .. "/go", "")
    local r = symphony("resume", "--json")
    assert.equal(5, r.code, r.out .. r.err) -- the process may have done what it does
    r = symphony("resume", "--retry", "flow/wait", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    local after = json.decode(r.out)
    assert.equal("x\n", support.read_file(dir .. "/effects"))
    local function ended(document, key)
      for _, task in ipairs(document.tasks) do
        if task.key == key then return task.completed_at end
      end
    end
    assert.equal(ended(before, "flow/random"), ended(after, "flow/random"))
    assert.equal("done\n", after.outputs.flow.first)
  end)

  it("goes on with its map after a kill in the middle of it", function()
    melody("mapped", [[
local melody = require "melody"
return melody.flow("mapped", function(run)
  return run:map("process.run", { 1, 2, 3, 4 }, function(n)
    return { argv = { "sh", "-c", "echo " .. n .. " >>calls; [ " .. n .. " -lt 3 ] || while [ ! -e go ]; do sleep 0.02; done" } }
  end, { key = "steps", max_parallel = 1 })
end)
]])
    local c = support.start_symphony({ "run", "mapped" }, { cwd = dir })
    support.wait_until(function() return support.read_file(dir .. "/calls") == "1\n2\n3\n" end, 30)
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(dir .. "/go", "")
    local r = symphony "resume"
    assert.equal(5, r.code, r.out .. r.err)
    assert.matches("symphony resume 1 --retry flow/steps/3 ", r.err, 1, true)
    r = symphony("resume", "--retry", "flow/steps/3", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal(4, #json.decode(r.out).outputs.flow)
    assert.equal("1\n2\n3\n4\n3\n", support.read_file(dir .. "/calls")) -- the fourth did not wait for a decision
  end)

  it("that sleeps for long says until when, and is no decision", function()
    melody("nap", 'local melody = require "melody"\nreturn melody.flow("nap", function(run) run:sleep("3h") end)\n')
    local r = symphony("run", "nap")
    assert.equal(5, r.code, r.out .. r.err)
    assert.matches("`flow/sleep` waits: it sleeps until %d+%-%d+%-%d+ %d+:%d+:%d+ UTC\n  symphony resume 1   goes", r.err)
    local waiting = json.decode(symphony("show", "--json").out).waiting[1]
    assert.equal("time", waiting.why)
    assert.matches("UTC$", waiting.message)
  end)

  it("is forked from one of its calls: those before keep their answers", function()
    melody("three", [[
local melody = require "melody"
return melody.flow("three", function(run, params)
  local list = {}
  for i = 1, 3 do
    list[i] = run:call("process.run", { argv = { "sh", "-c", "echo " .. i .. " >>calls; cat say" } }).stdout
  end
  return list
end)
]])
    support.write_file(dir .. "/say", "a")
    assert.equal(0, symphony("run", "three").code)
    support.write_file(dir .. "/say", "b")
    local r = symphony("fork", "1", "--from", "flow/run_2", "--yes", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.same({ "a", "b", "b" }, json.decode(r.out).outputs.flow)
    assert.equal("1\n2\n3\n2\n3\n", support.read_file(dir .. "/calls"))
    assert.equal(2, symphony("fork", "1", "--from", "flow/run_2", "--only").code)
    assert.equal(4, symphony("fork", "1", "--from", "flow/nothing").code)
  end)

  it("asks, and is answered from the command line", function()
    melody("asks", [[
local melody = require "melody"
return melody.flow("asks", function(run)
  return run:ask("Go on?", { type = "boolean" }) and "gone" or "stayed"
end)
]])
    local r = symphony("run", "asks")
    assert.equal(5, r.code, r.out .. r.err)
    r = symphony("answer", "true", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("gone", json.decode(r.out).outputs.flow)
  end)
end)
