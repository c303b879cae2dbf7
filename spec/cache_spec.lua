--- Results used again, from outside: one byte of one file of many, and what `why` says of it.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local FILES = 40

local MELODY = [[
local m = require "melody" "marks"
local pattern = m:param("pattern", { type = "string", default = "TODO" })
local all = m:task("all", "file.glob", { pattern = "src/*.txt" })
local each = m:each("each", all.files, "search.grep", function(file)
  return { pattern = params.pattern, paths = { file.path } }
end)
local report = m:task("report", "report.write", { title = "Marks", notes = m:text"{all.summary}" })
local never = m:task("never", "search.grep", { pattern = pattern, paths = { "src/1.txt" } }, { when = "false" })
local after = m:task("after", "search.grep", { pattern = never.summary })
m:output("each", each)
m:output("report", report)
return m
]]

local EXTENSION = [[
[extension]
name = "count"
version = "%s"
type = "operator"
description = "Counts the bytes of a file, and the calls of it."
[operator]
operator_type = "count"
[capabilities]
fs.read = ["$PROJECT/**"]
env = ["COUNT_UNIT"]
[operation.bytes]
doc = "How many bytes."
effects = "read"
cache = true
]]

local COUNT = [[
local fs = require "fs"
return { bytes = function(input) return { size = #fs.read(input.path) } end }
]]

local dir

local function symphony(words, env)
  local r = support.symphony(words, { cwd = dir, env = env })
  assert.equal(0, r.code, table.concat(words, " ") .. "\n" .. r.out .. r.err)
  return r.out
end

local function run(...)
  return json.decode(symphony { "run", "marks", "--json", ... })
end

local function outcomes(document)
  local map, counts = {}, {}
  for _, task in ipairs(document.tasks) do
    map[task.key] = task.outcome
    if task.key:match "^each/" then counts[task.outcome] = (counts[task.outcome] or 0) + 1 end
  end
  return map, counts
end

local function why(run_name, task, env)
  return json.decode(symphony({ "why", run_name, task, "--json" }, env)).tasks
end

local function one_reason(task, env)
  local tasks = why("last", task, env)
  assert.equal(1, #tasks)
  assert.equal(1, #tasks[1].reasons)
  return tasks[1].reasons[1], tasks[1]
end

describe("the cache", function()
  setup(function()
    dir = paths.real(support.tmpdir())
    for i = 1, FILES do support.write_file(("%s/src/%d.txt"):format(dir, i), ("line %d TODO\n"):format(i)) end
    support.write_file(dir .. "/melodies/marks.lua", MELODY)
    support.write_file(dir .. "/extensions/count/Symphony.toml", EXTENSION:format "0.1.0")
    support.write_file(dir .. "/extensions/count/init.lua", COUNT)
    symphony { "trust" }
  end)

  teardown(support.clean)

  it("runs everything the first time, and says why", function()
    local map, counts = outcomes(run())
    assert.same({ ok = FILES }, counts)
    assert.equal("ok", map.report)
    assert.equal("first", one_reason("each/1").kind)
    local reason = one_reason "all"
    assert.equal("not_cacheable", reason.kind)
    assert.equal("file.glob is not cached: its manifest does not say cache = true", reason.text)
  end)

  it("gives the same again, artifacts and all", function()
    local first = json.decode(symphony { "show", "1", "--json" })
    local again = run()
    local map, counts = outcomes(again)
    assert.same({ cached = FILES }, counts)
    assert.equal("cached", map.report)
    assert.same(first.outputs.each, again.outputs.each)
    assert.equal(first.outputs.report.html["$artifact"], again.outputs.report.html["$artifact"])
    assert.not_equal(first.outputs.report.html.id, again.outputs.report.html.id)
    assert.equal(#first.artifacts, #again.artifacts)
    local shown = json.decode(symphony { "artifact", "show", again.outputs.report.html.id, "--json" })
    assert.equal(first.outputs.report.html.id, shown.metadata.cached_from.artifact)
    symphony { "artifact", "verify" }
    local reason, task = one_reason "report"
    assert.equal("cached", task.verdict)
    assert.equal(1, reason.run)
  end)

  it("runs again only what depends on the byte that changed", function()
    support.write_file(dir .. "/src/7.txt", "line 8 TODO\n")
    local document = run()
    local map, counts = outcomes(document)
    assert.same({ cached = FILES - 1, ok = 1 }, counts)
    assert.equal("cached", map.report)
    local changed
    for _, task in ipairs(document.tasks) do
      if task.key:match "^each/" and task.outcome == "ok" then changed = task.key end
    end
    local reason = one_reason(changed)
    assert.equal("file", reason.kind)
    assert.equal("src/7.txt", reason.path)
    assert.equal(10, #why("last", "each/1?"))
    assert.truthy(symphony({ "why", "last", changed }):find("file src/7.txt changed since run #", 1, true))
  end)

  it("names the field of the input that differs, with both values", function()
    outcomes(run("-p", "pattern=line"))
    local reason = one_reason "each/1"
    assert.equal("input.pattern", reason.part)
    assert.equal('"TODO"', reason.was)
    assert.equal('"line"', reason.is)
    assert.equal(3, reason.run)
    assert.truthy(symphony({ "why", "last", "each/1" })
      :find('input.pattern changed since run #3: "TODO" → "line"', 1, true))
  end)

  it("says why a task was skipped", function()
    local reason, task = one_reason "never"
    assert.equal("skipped", task.verdict)
    assert.equal("condition", reason.kind)
    assert.truthy(reason.text:find("false", 1, true))
    reason = one_reason "after"
    assert.equal("predecessor", reason.kind)
    assert.equal("never", reason.task)
  end)

  it("says what failed on the way, and what a task waited for", function()
    support.write_file(dir .. "/melodies/way.lua", [[
      local m = require "melody" "way"
      local gone = m:task("gone", "file.read", { path = "nothing" }, {
        fallback = { { "file.read", { path = "src/1.txt" } } }, on_error = "skip" })
      local one = m:task("one", "process.run", { argv = { "true" } }, { key = "same" })
      local two = m:task("two", "process.run", { argv = { "true" } }, { key = "same" })
      local bad = m:task("bad", "file.read", { path = "nothing" }, { on_error = "skip" })
      local never = m:task("never", "search.grep", { pattern = bad.content })
      return m]])
    symphony { "run", "way" }
    local kinds = {}
    for _, one in ipairs(why("last", "gone")[1].reasons) do kinds[#kinds + 1] = one.kind end
    assert.same({ "fallback", "not_cacheable" }, kinds)
    local waits = {}
    for _, task in ipairs(why("last", "*")) do
      for _, one in ipairs(task.reasons) do
        if one.kind == "waited" then waits[#waits + 1] = one.text end
      end
    end
    assert.truthy(#waits >= 1)
    assert.truthy(waits[1]:find("same", 1, true), waits[1])
    local last = why("last", "never")[1]
    assert.equal("bad", last.reasons[1].task)
    assert.equal("error", why("last", "bad")[1].reasons[1].kind)
  end)

  it("is switched off by --no-cache", function()
    local _, counts = outcomes(run("--no-cache"))
    assert.same({ ok = FILES }, counts)
    assert.equal("switched_off", one_reason("each/1").kind)
    _, counts = outcomes(run())
    assert.same({ cached = FILES }, counts)
  end)

  it("serves another process at the same time", function()
    local one = support.start_symphony({ "run", "marks", "--json" }, { cwd = dir })
    local _, counts = outcomes(run())
    assert.same({ cached = FILES }, counts)
    local other = one:wait(60)
    assert.equal(0, other.code, other.err)
    _, counts = outcomes(json.decode(other.out))
    assert.same({ cached = FILES }, counts)
  end)

  it("sees a changed environment and changed code", function()
    support.write_file(dir .. "/melodies/size.lua", [[
      local m = require "melody" "size"
      m:task("size", "count.bytes", { path = "src/1.txt" })
      return m]])
    symphony { "run", "size" }
    symphony { "run", "size" }
    assert.equal("cached", select(2, one_reason "size").verdict)
    local env = { COUNT_UNIT = "bits" }
    symphony({ "run", "size" }, env)
    assert.equal("env.COUNT_UNIT", one_reason("size").part)
    support.write_file(dir .. "/extensions/count/Symphony.toml", EXTENSION:format "0.1.1")
    symphony { "run", "size" }
    local tasks = why("last", "size")
    assert.equal("code", tasks[1].reasons[1].kind)
    assert.equal("0.1.0", tasks[1].reasons[1].was)
    assert.equal("0.1.1", tasks[1].reasons[1].is)
  end)

  it("serves no project that is not trusted with what was trusted", function()
    symphony { "untrust" }
    local r = support.symphony({ "run", "size" }, { cwd = dir })
    assert.equal(3, r.code)
    symphony { "trust" }
  end)

  it("refuses a task that does not exist, and too few words", function()
    assert.equal(2, support.symphony({ "why", "last" }, { cwd = dir }).code)
    local r = support.symphony({ "why", "last", "nothing" }, { cwd = dir })
    assert.truthy(r.code ~= 0)
    assert.truthy(r.err:find("not_found", 1, true))
  end)
end)
