--- `symphony fork`: a run again from one of its tasks on. What was executed is counted by the lines it writes.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local INNER = [[
local m = require "melody" "inner"
local word = m:param("word", { type = "string", default = "w" })
local first = m:task("first", "process.run", { argv = { "sh", "-c", m:text "echo first >>log; echo {params.word}" } })
local each = m:each("parts", { "a", "b", "c" }, "process.run",
  function(item) return { argv = { "sh", "-c", "echo part" .. item .. " >>log; echo " .. item } } end,
  { after = { "first" } })
local last = m:task("last", "process.run", { argv = { "sh", "-c", "echo last >>log; echo done" } }, { after = { "parts" } })
m:output("first", first.stdout)
m:output("parts", each)
return m
]]

local MAIN = [[
local m = require "melody" "main"
local name = m:param("name", { type = "string", default = "you" })
local function sh(key, word, opts)
  return m:task(key, "process.run", { argv = { "sh", "-c", "echo " .. key .. " >>log; echo " .. (word or key) } }, opts)
end
local a = sh "a"
local b = sh("b", "$(cat value 2>/dev/null)", { after = { "a" } })
local c = m:task("c", "process.run", { argv = { "sh", "-c", m:text "echo c >>log; echo {b.stdout}" } })
local hello = m:task("hello", "process.run", { argv = { "sh", "-c", m:text "echo hello >>log; echo {params.name}" } })
local sub = m:sub("sub", "inner", { word = a.stdout })
local fix = m:loop("fix", "process.run", { argv = { "sh", "-c", "echo fix1 >>log; echo 1" } },
  function(_, i) return { argv = { "sh", "-c", "echo fix" .. i .. " >>log; echo " .. i } } end,
  { until_ = function(it, i) return i >= 4 end, max = 9 })
local after = sh("after", "x", { after = { "sub", "fix" } })
m:output("c", c.stdout)
m:output("hello", hello.stdout)
m:output("parts", sub.parts)
m:output("fix", fix.stdout)
return m
]]

local dir

local function run(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function document(...)
  local r = run(...)
  return json.decode(r.out), r
end

local function executed()
  local words = {}
  for word in (support.read_file(dir .. "/log") or ""):gmatch "%S+" do words[#words + 1] = word end
  table.sort(words)
  support.write_file(dir .. "/log", "")
  return table.concat(words, " ")
end

local function fork(code, ...)
  local doc, r = document("fork", ...)
  assert.equal(code, r.code, r.out .. r.err)
  return doc, r
end

local function outcomes(doc)
  local map = {}
  for _, task in ipairs(doc.tasks) do map[task.key] = task.outcome end
  return map
end

local function scene(melodies)
  dir = paths.real(support.tmpdir())
  for name, text in pairs(melodies) do support.write_file(("%s/melodies/%s.lua"):format(dir, name), text) end
  assert.equal(0, run("trust").code)
end

describe("a fork of a run that completed", function()
  local before

  setup(function()
    scene { inner = INNER, main = MAIN }
    support.write_file(dir .. "/value", "old")
    local r
    before, r = document("run", "main", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("a after b c first fix1 fix2 fix3 fix4 hello last parta partb partc", executed())
  end)

  it("does the task again and what depends on it, nothing else", function()
    support.write_file(dir .. "/value", "new")
    local doc = fork(0, "1", "--from", "b", "--json")
    assert.equal("b c", executed())
    assert.equal("new\n", doc.outputs.c)
    assert.equal(before.run, doc.forked_from)
    local map = outcomes(doc)
    assert.equal("ok", map.b)
    assert.equal("cached", map.a)
    assert.equal("cached", map["sub/parts/2"])
    for _, task in ipairs(doc.tasks) do
      if map[task.key] == "cached" then assert.equal(0, task.attempts + task.cost.ms) end
    end
    local diff = document("diff", "1", tostring(doc.number), "--json")
    assert.equal(2, #diff.tasks)
    assert.same({}, diff.structure.changed)
  end)

  it("from the first task on is everything that depends on it", function()
    fork(0, "1", "--from", "a")
    assert.equal("a after b c first last parta partb partc", executed())
  end)

  it("reaches into a sub-melody, and the map within it", function()
    local doc = fork(0, "1", "--from", "sub/parts/2", "--json")
    assert.equal("after last partb", executed())
    assert.equal("cached", outcomes(doc)["sub/parts/1"])
    assert.equal("ok", outcomes(doc)["sub/parts/2"])
    assert.equal("b\n", doc.outputs.parts[2].stdout)
    fork(0, "1", "--from", "sub/last")
    assert.equal("after last", executed())
  end)

  it("of an iteration does those from it on again", function()
    local doc = fork(0, "1", "--from", "fix/3", "--json")
    assert.equal("after fix3 fix4", executed())
    assert.equal("4\n", doc.outputs.fix)
  end)

  it("with another parameter does what looks at it again, too", function()
    local doc = fork(0, "1", "--from", "sub/last", "-p", "name=Ada", "--json")
    assert.equal("after hello last", executed())
    assert.equal("Ada\n", doc.outputs.hello)
    doc = fork(0, tostring(doc.number), "--from", "c", "--json")
    assert.equal("c", executed())
    assert.equal("Ada\n", doc.outputs.hello)
  end)

  it("with --only does that task alone", function()
    support.write_file(dir .. "/value", "newer")
    local doc = fork(0, "1", "--from", "b", "--only", "--json")
    assert.equal("b", executed())
    assert.equal("old\n", doc.outputs.c)
    fork(0, "1", "--from", "sub/parts/3", "--only")
    assert.equal("partc", executed())
    fork(0, "1", "--from", "fix/4", "--only")
    assert.equal("fix4", executed())
    local _, r = fork(2, "1", "--from", "fix/2", "--only")
    assert.matches("not the last iteration", r.err)
    assert.equal("", executed())
  end)

  it("is refused for what is not there, and changes nothing then", function()
    local count = #document("runs", "--json").runs
    assert.equal(2, run("fork", "1").code)
    assert.equal(4, run("fork", "99", "--from", "a").code)
    local r = run("fork", "1", "--from", "hallo")
    assert.equal(4, r.code)
    assert.matches("did you mean `hello`", r.err, 1, true)
    for _, key in ipairs { "sub/nothing", "sub/parts/9", "fix/9", "a/1", "sub/first/2", "/", "sub//last" } do
      assert.equal(4, run("fork", "1", "--from", key).code, key)
    end
    assert.equal(2, run("fork", "1", "--from", "a", "-p", "nome=x").code)
    assert.equal(count, #document("runs", "--json").runs)
    assert.equal("", executed())
  end)

  it("says what may change something, and asks on a terminal", function()
    local _, r = fork(0, "1", "--from", "hello")
    assert.matches("hello  process.run  acts outside this machine", r.err, 1, true)
    executed()
    local count = #document("runs", "--json").runs
    for answer, code in pairs { n = 2, y = 0 } do
      local c = support.start_symphony({ "fork", "1", "--from", "hello" }, { cwd = dir, pty = true })
      support.wait_until(function() return c:out():find("go on? [y/N]", 1, true) end, 20)
      c:write(answer .. "\n")
      assert.equal(code, assert(c:wait(30)).code)
      assert.equal(answer == "y" and "hello" or "", executed())
    end
    assert.equal(count + 1, #document("runs", "--json").runs)
    assert.equal(0, support.run({ support.bin, "fork", "1", "--from", "hello", "--yes" }, { cwd = dir, pty = true }).code)
    executed()
  end)

  it("leaves a database whose rows fit together", function()
    assert.equal(0, run("doctor").code)
    local doc = document("show", "last", "--json")
    assert.equal("completed", doc.status)
  end)
end)

local FAILING = [[
local m = require "melody" "failing"
local function sh(key, script, opts) return m:task(key, "process.run",
  { argv = { "sh", "-c", "echo " .. key .. " >>log; " .. script }, check = true }, opts) end
sh("a", "echo a")
sh("weak", "exit 1", { on_error = "skip" })
sh("b", "test -e good && echo b", { after = { "a" } })
sh("c", "echo c", { after = { "b" } })
m:each("items", { "x", "y", "z" }, "process.run", function(item)
  return { argv = { "sh", "-c", "echo item" .. item .. " >>log; test " .. item .. " != y || test -e good" }, check = true }
end, { after = { "c" } })
return m
]]

describe("a fork of a run that failed", function()
  it("does again what failed and what never ran; failures that were no failure of the run stay", function()
    scene { failing = FAILING }
    assert.equal(1, run("run", "failing").code)
    executed()
    support.write_file(dir .. "/good", "")
    local doc = fork(0, "1", "--from", "b", "--json")
    assert.equal("b c itemx itemy itemz", executed())
    assert.equal("error", outcomes(doc).weak)
    assert.equal("cached", outcomes(doc).a)
  end)

  it("does again what failed also when another task is named", function()
    scene { failing = FAILING }
    assert.equal(1, run("run", "failing").code)
    executed()
    support.write_file(dir .. "/good", "")
    fork(0, "1", "--from", "weak")
    assert.equal("b c itemx itemy itemz weak", executed())
  end)

  it("of a map keeps the children that had a result", function()
    scene { failing = (FAILING:gsub("test %-e good && ", ""):gsub('sh%("weak"[^\n]*', "")) }
    assert.equal(1, run("run", "failing", "--parallel", "1").code)
    executed()
    support.write_file(dir .. "/good", "")
    fork(0, "1", "--from", "items/2")
    assert.equal("itemy itemz", executed())
  end)

  it("with --only does one task, and what was skipped stays so", function()
    scene { failing = FAILING }
    assert.equal(1, run("run", "failing").code)
    executed()
    support.write_file(dir .. "/good", "")
    local doc = fork(0, "1", "--from", "b", "--only", "--json")
    assert.equal("b", executed())
    assert.equal("skipped", outcomes(doc).c)
    assert.matches("skipped: as in run #1", run("show", "2").out, 1, true)
  end)
end)

local SLOW = [[
local m = require "melody" "slow"
m:task("a", "process.run", { argv = { "sh", "-c", "echo a >>log" } })
m:task("b", "process.run", { argv = { "sh", "-c", "echo b >>log; while [ ! -e go ]; do sleep 0.01; done" } },
       { after = { "a" } })
m:task("c", "process.run", { argv = { "sh", "-c", "echo c >>log" } }, { after = { "b" } })
return m
]]

local function begin()
  scene { slow = SLOW }
  local c = support.start_symphony({ "run", "slow" }, { cwd = dir })
  support.wait_until(function()
    local doc = document("show", "--json")
    for _, task in ipairs(doc.tasks or {}) do
      if task.key == "b" and task.status == "executing" then return true end
    end
  end, 30)
  return c
end

describe("a fork of a run that did not end", function()
  it("is refused while it lives; of one that was killed it goes on", function()
    local c = begin()
    assert.equal("run_owned", document("fork", "1", "--from", "a", "--json").error.code)
    c:kill("KILL", true)
    assert(c:wait(10))
    executed()
    support.write_file(dir .. "/go", "")
    local doc = fork(0, "1", "--from", "b", "--json")
    assert.equal("b c", executed())
    assert.equal("cached", outcomes(doc).a)
    assert.is_true(document("show", "1", "--json").interrupted)
    assert.equal("skipped", outcomes(fork(0, "1", "--from", "a", "--only", "--json")).b)
    assert.equal("a", executed())
    assert.matches("– c  skipped: left out by fork --only", run("show", "last").out, 1, true)
  end)

  it("of one that was cancelled it goes on", function()
    local c = begin()
    assert.equal(0, run("cancel", "1").code)
    assert(c:wait(30))
    executed()
    support.write_file(dir .. "/go", "")
    fork(0, "1", "--from", "b")
    assert.equal("b c", executed())
  end)

  it("may itself be interrupted, and resumed", function()
    local c = begin()
    support.write_file(dir .. "/go", "")
    assert.equal(0, assert(c:wait(30)).code)
    os.remove(dir .. "/go")
    executed()
    c = support.start_symphony({ "fork", "1", "--from", "b" }, { cwd = dir })
    support.wait_until(function() return (support.read_file(dir .. "/log") or ""):find "b" end, 30)
    c:kill("KILL", true)
    assert(c:wait(10))
    support.write_file(dir .. "/go", "")
    local doc, r = document("resume", "2", "--retry", "b", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.equal("b b c", executed())
    assert.equal("cached", outcomes(doc).a)
  end)
end)

local UNDONE = [[
local m = require "melody" "undone"
local function sh(key, script, opts)
  opts.compensate = { "process.run", { argv = { "sh", "-c", "echo undo" .. key .. " >>log" } } }
  return m:task(key, "process.run", { argv = { "sh", "-c", "echo " .. key .. " >>log; " .. script }, check = true }, opts)
end
sh("a", "true", {})
m:each("items", { "x", "y" }, "process.run",
  function(item) return { argv = { "sh", "-c", "echo item" .. item .. " >>log" } } end,
  { after = { "a" }, compensate = { "process.run", { argv = { "sh", "-c", "echo undoitem >>log" } } } })
sh("b", "true", { after = { "items" } })
sh("c", "test -e good", { after = { "b" }, on_error = "compensate" })
return m
]]

describe("a fork that fails and is undone", function()
  it("undoes what it executed, not what another run had", function()
    scene { undone = UNDONE }
    support.write_file(dir .. "/good", "")
    local r = run("run", "undone")
    assert.equal(0, r.code, r.out .. r.err)
    os.remove(dir .. "/good")
    executed()
    fork(1, "1", "--from", "b")
    assert.equal("b c undob", executed())
    fork(1, "1", "--from", "items/2")
    assert.equal("b c itemy undob undoitem", executed())
  end)
end)

local REPORT = [[
local m = require "melody" "written"
local found = m:task("found", "file.glob", { pattern = "*.txt" })
local report = m:task("report", "report.write", { title = "Files", notes = "none" }, { after = { "found" } })
m:task("beside", "file.list", { path = "." })
m:output("report", report)
return m
]]

describe("the artifacts of a fork", function()
  it("are rows of its own that name the original", function()
    scene { written = REPORT }
    local before, r = document("run", "written", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    assert.is_true(#before.artifacts > 0)
    local doc = fork(0, "1", "--from", "beside", "--json")
    assert.equal(#before.artifacts, #doc.artifacts)
    assert.same(before.outputs, doc.outputs)
    for _, list in ipairs { before.artifacts, doc.artifacts } do
      table.sort(list, function(a, b) return a.hash < b.hash end)
    end
    for i, one in ipairs(doc.artifacts) do
      assert.equal(before.artifacts[i].hash, one.hash)
      assert.not_equal(before.artifacts[i].id, one.id)
      local shown = document("artifact", "show", one.id, "--json")
      assert.is_truthy(json.encode(shown):find(before.artifacts[i].id, 1, true))
    end
    assert.equal(0, run("artifact", "verify").code)
  end)
end)
