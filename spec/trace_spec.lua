--- `symphony trace`: a run over time, as bars and in Chrome's format.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MELODY = [[
local m = require "melody" "timed"
local found = m:task("found", "file.glob", { pattern = "*.txt" })
m:each("read", found.files, "file.read", function(file) return { path = file.path } end)
local slow = m:task("slow", "process.run", { argv = { "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done" } },
                    { after = { "found" } })
m:task("beside", "process.run", { argv = { "touch", "go" } }, { after = { "read" } })
m:task("last", "file.list", { path = "." }, { after = { "slow" } })
m:task("never", "file.list", { path = "." }, { when = "false" })
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

setup(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/timed.lua", MELODY)
  for i = 1, 5 do support.write_file(("%s/%d.txt"):format(dir, i), "x") end
  assert.equal(0, symphony("trust").code)
  assert.equal(0, symphony("run", "timed").code)
end)

describe("trace --json", function()
  it("has the stamps of each task, children counted at their parent, and the critical path", function()
    local doc = json.decode(symphony("trace", "--json").out)
    local by_key = {}
    for _, task in ipairs(doc.tasks) do by_key[task.key] = task end
    assert.equal(6, #doc.tasks)
    assert.same({ count = 5, failed = 0 }, by_key.read.children)
    assert.equal("skipped", by_key.never.outcome)
    assert.is_true(by_key.last.start_ms >= by_key.slow.start_ms + by_key.slow.ms)
    local path, ended = {}, 0
    for _, task in ipairs(doc.tasks) do ended = math.max(ended, task.start_ms + task.ms) end
    for _, one in ipairs(doc.critical_path) do
      assert.is_true(not by_key[one.key] or by_key[one.key].critical)
      if by_key[one.key] then path[#path + 1] = one end
    end
    assert.equal("found", path[1].key)
    assert.equal(ended, path[#path].start_ms + path[#path].ms)
  end)
end)

describe("trace --format gantt", function()
  it("draws a line for each, within the width, in ASCII without UTF-8", function()
    local r = support.symphony({ "trace" }, { cwd = dir, env = { LC_ALL = "C", COLUMNS = "72" } })
    assert.equal(0, r.code, r.err)
    assert.matches("timed  run #1 | completed", r.out, 1, true)
    assert.matches("\n  read x5 ", r.out)
    assert.matches("# critical path: ", r.out, 1, true)
    for line in r.out:gmatch "[^\n]+" do assert.is_true(#line <= 72, line) end
  end)
end)

local REQUIRED = { M = { "name", "pid", "tid", "args" }, X = { "name", "cat", "pid", "tid", "ts", "dur" },
  b = { "name", "cat", "id", "pid", "ts" }, e = { "name", "cat", "id", "pid", "ts" } }

local function chrome()
  local r = symphony("trace", "1", "--format", "chrome")
  assert.equal(0, r.code, r.err)
  return assert(json.decode(r.out)).traceEvents
end

describe("trace --format chrome", function()
  it("has what the format asks of each event", function()
    for _, event in ipairs(chrome()) do
      for _, name in ipairs(REQUIRED[event.ph] or error("unexpected " .. event.ph)) do
        assert.is_not_nil(event[name], event.ph .. " " .. name)
      end
    end
  end)

  it("has every execution once, children too, and nothing that was skipped", function()
    local names = {}
    for _, event in ipairs(chrome()) do
      if event.ph == "X" then names[event.name] = (names[event.name] or 0) + 1 end
    end
    assert.same({ found = 1, read = 1, ["read/1"] = 1, ["read/2"] = 1, ["read/3"] = 1, ["read/4"] = 1, ["read/5"] = 1,
      slow = 1, beside = 1, last = 1 }, names)
  end)

  it("has no two events at the same time in one thread, and names each thread", function()
    local reached, named = {}, {}
    for _, event in ipairs(chrome()) do
      if event.ph == "M" and event.name == "thread_name" then named[event.tid] = true end
      if event.ph == "X" then
        assert.is_true(event.ts >= (reached[event.tid] or 0), event.name)
        reached[event.tid] = event.ts + event.dur
        assert.is_true(named[event.tid])
      end
    end
  end)

  it("begins each wait before it ends it", function()
    local open = {}
    for _, event in ipairs(chrome()) do
      if event.ph == "b" then open[event.id] = event.ts end
      if event.ph == "e" then
        assert.is_true(event.ts > open[event.id])
        open[event.id] = nil
      end
    end
    assert.is_nil(next(open))
  end)
end)

describe("trace", function()
  it("of a run that does not exist is refused with 4, in an unknown format with 2", function()
    assert.equal(4, symphony("trace", "99").code)
    assert.equal(2, symphony("trace", "--format", "svg").code)
  end)
end)
