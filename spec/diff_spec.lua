--- `symphony diff`: two runs compared.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MELODY = [[
local m = require "melody" "pair"
m:param("name", { type = "string", default = "you" })
local found = m:task("found", "file.glob", { pattern = "*.txt" })
m:each("read", found.files, "file.read", function(file) return { path = file.path } end, { on_error = "skip" })
local said = m:task("said", "process.run", { argv = { "echo", m:text "{params.name}" } })
m:output("said", said.stdout)
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function diff(a, b)
  local r = symphony("diff", a, b, "--json")
  assert.equal(0, r.code, r.out .. r.err)
  return json.decode(r.out)
end

local function task_of(doc, key)
  for _, task in ipairs(doc.tasks) do
    if task.key == key then return task end
  end
end

setup(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/pair.lua", MELODY)
  support.write_file(dir .. "/a.txt", "one\ntwo\n")
  assert.equal(0, symphony("trust").code)
  assert.equal(0, symphony("run", "pair").code)
  assert.equal(0, symphony("run", "pair").code)
  support.write_file(dir .. "/a.txt", "one\nthree\n")
  support.write_file(dir .. "/b.txt", "new\n")
  assert.equal(0, symphony("run", "pair", "-p", "name=Ada").code)
  support.write_file(dir .. "/melodies/pair.lua", (MELODY:gsub('local said', [[
m:task("more", "file.list", { path = "." }, { after = { "found" } })
local said]]):gsub('"%*%.txt"', '"a.*"')))
  assert.equal(0, symphony("run", "pair").code)
end)

describe("diff", function()
  it("of a run that does not exist is refused with 4, of one run alone with 2", function()
    assert.equal(4, symphony("diff", "1", "99").code)
    assert.equal(2, symphony("diff", "1").code)
  end)

  it("of two runs that did the same finds nothing", function()
    local doc = diff("1", "2")
    assert.is_true(doc.same)
    assert.same({}, doc.tasks)
    assert.matches("no difference but time", symphony("diff", "1", "2").out, 1, true)
    assert.is_true(diff("1", "1").same)
  end)

  it("finds parameters, outputs of tasks and of the run, and children that are new", function()
    local doc = diff("1", "3")
    assert.is_false(doc.same)
    assert.same({ { path = "name", kind = "changed", from = "you", to = "Ada" } }, doc.params)
    assert.matches("-two\n+three", task_of(doc, "read/1").output[1].patch, 1, true)
    assert.same(json.null, task_of(doc, "read/2").from)
    assert.equal("completed", task_of(doc, "read/2").to.status)
    assert.equal("stdout", task_of(doc, "said").output[1].path)
    assert.equal("said", doc.outputs[1].path)
    assert.same({}, doc.structure.changed)
  end)

  it("is the other way round when the runs are", function()
    local doc = diff("3", "1")
    assert.equal("Ada", doc.params[1].from)
    assert.same(json.null, task_of(doc, "read/2").to)
  end)

  it("finds tasks that were added and changed, and edges", function()
    local doc = diff("1", "4")
    assert.same({ { key = "more", operation = "file.list" } }, doc.structure.added)
    assert.same({ { key = "found", from = "file.glob", to = "file.glob", what = { "input" } } }, doc.structure.changed)
    assert.same({ { "found", "more", "hard" } }, doc.structure.edges_added)
    local back = diff("4", "1").structure
    assert.same(doc.structure.added, back.removed)
    assert.same(doc.structure.edges_added, back.edges_removed)
  end)

  it("shows people the same with signs, within the terminal's width, in ASCII where need be", function()
    local r = support.symphony({ "diff", "1", "4" }, { cwd = dir, env = { LC_ALL = "C", COLUMNS = "60" } })
    assert.matches("structure\n  + more  file.list\n  ~ found  file.glob  (input)\n  + found -> more  hard\n", r.out,
      1, true)
    for line in r.out:gmatch "[^\n]+" do assert.is_true(#line <= 60, line) end
    assert.is_nil(r.out:find "[\128-\255]")
  end)
end)

describe("diff of runs that ended otherwise", function()
  it("says how, and why a task failed", function()
    local place = paths.real(support.tmpdir())
    support.write_file(place .. "/melodies/one.lua", [[
local m = require "melody" "one"
m:task("a", "file.read", { path = "x" })
return m]])
    support.write_file(place .. "/x", "here")
    local function run(...) return support.symphony({ ... }, { cwd = place }) end
    run "trust"
    assert.equal(0, run("run", "one").code)
    support.sh("rm x", { cwd = place })
    assert.equal(1, run("run", "one").code)
    local doc = json.decode(run("diff", "1", "2", "--json").out)
    assert.equal("completed", doc.from.status)
    assert.equal("failed", doc.to.status)
    assert.equal("error", doc.tasks[1].to.outcome)
    assert.is_truthy(doc.tasks[1].to.error.message)
    assert.matches("status\n  ~ completed -> failed\n", support.symphony({ "diff", "1", "2" },
      { cwd = place, env = { LC_ALL = "C" } }).out, 1, true)
  end)
end)
