--- Operations in processes of their own: the same results, the same refusals, and an end with the right code for
--- whatever such a process does or has done to it.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "odd"
version = "0.1.0"
type = "operator"
description = "Tries things."
[operator]
operator_type = "test"
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/state/**"]
process = ["sh"]
memory = "32MiB"
cpu = "1s"
timeout = "20s"
]]

local CODE = [[
local fs, process, time = require "fs", require "process", require "time"
local csv, hash, json, re = require "csv", require "hash", require "json", require "re"
local diff, path, template = require "diff", require "path", require "template"
local schema, text, toml = require "schema", require "text", require "toml"
local part = require "lib.part"
local odd = {}
function odd.loop() while true do pcall(function() while true do end end) end end
function odd.bomb() local s = "x" while true do s = s .. s end end
function odd.nap() time.sleep(100) return {} end
function odd.read(input) return fs.read(input.path) end
function odd.write(input) return fs.write(input.path, input.bytes) end
function odd.start(input)
  local pieces = 0
  local r, message, code = process.run { argv = input.argv, on_output = function(stream, bytes)
    pieces = pieces + #bytes
    fs.exists("inside.txt")
  end }
  if not r then return nil, message, code end
  return { out = r.stdout, pieces = pieces }
end
function odd.print() for i = 1, 20000 do print("noise", i) end return { done = true } end
function odd.fail() return nil, "it did not work", "odd_code" end
function odd.boom() error(setmetatable({}, { __tostring = function() while true do end end })) end
function odd.wait(input, ctx)
  fs.write("state/" .. input.name, "begun")
  time.sleep(100)
end
function odd.spin(input)
  fs.write("state/" .. input.name, "begun")
  while true do end
end
function odd.rest(input) time.sleep(0.2) return { n = input.n } end
function odd.part() return { name = part.name } end
function odd.store(input, ctx)
  ctx.progress(1, 2, "half")
  ctx.stream("piece")
  ctx.log("info", "a line")
  local w = ctx.writer("text/plain")
  for i = 1, 1000 do w:write("line ", tostring(i), "\n") end
  local ref = w:close()
  local count = 0
  for _ in ctx.open(ref):lines() do count = count + 1 end
  return { ref = ref, count = count, trusted = ctx.trusted, key = ctx.idempotency_key }
end
function odd.library()
  local rows = csv.decode("a,b\n1,2\n")
  return {
    csv = rows,
    hash = hash.sha256("x"):sub(1, 8),
    json = json.decode('{"a":[1,{"b":null}]}').a[1],
    re = re.compile("(\\w+)@(\\w+)"):match("me@here"),
    toml = toml.decode("a = 1").a,
    path = path.join("a", "b"),
    text = type(text),
    schema = type(schema),
    diff = type(diff),
    template = type(template),
    date = #os.date("%c %Z") > 0,
    clock = os.clock() >= 0 and time.now_ms() > 0,
  }
end
return odd
]]

local OPERATIONS = { "loop", "bomb", "nap", "read", "write", "start", "print", "fail", "boom", "wait", "spin", "rest", "part",
  "store", "library" }

local dir

local MELODY = [[
local m = require "melody" "%s"
m:output("out", m:task("t", "odd.%s", %s, { isolation = %s }))
return m]]

local function melody(name, operation, input, isolation)
  support.write_file(("%s/melodies/%s.lua"):format(dir, name), MELODY:format(name, operation, input or "{}",
    isolation and ('"%s"'):format(isolation) or "nil"))
end

setup(function()
  dir = paths.real(support.tmpdir()) .. "/project"
  local manifest = MANIFEST
  for _, name in ipairs(OPERATIONS) do
    manifest = manifest .. ('[operation.%s]\ndoc = "It tries."\neffects = "read"\n'):format(name)
  end
  support.write_file(dir .. "/extensions/odd/Symphony.toml", manifest)
  support.write_file(dir .. "/extensions/odd/init.lua", CODE)
  support.write_file(dir .. "/extensions/odd/lib/part.lua", "return { name = 'first' }")
  support.write_file(dir .. "/inside.txt", "inside")
  support.sh("git init -q . && mkdir -p state", { cwd = dir })
  assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
end)

local function run(operation, input, isolation)
  melody("m", operation, input, isolation or "process")
  local r = support.symphony({ "run", "m", "--json" }, { cwd = dir })
  return json.decode(r.out), r
end

--- The cells that live below a process.
local function cells(pid)
  local list = {}
  for line in support.sh("ps -eo pid=,ppid=,args="):gmatch "[^\n]+" do
    local one, parent, args = line:match "^%s*(%d+)%s+(%d+)%s+(.*)$"
    if args and args:find("--isolate-cell", 1, true) and (not pid or tonumber(parent) == pid) then list[#list + 1] = one end
  end
  return list
end

--- Starts a run whose task waits in a cell; its process, and that cell.
local function waiting(name)
  melody(name, "wait", ('{ name = "%s" }'):format(name), "process")
  local c = support.start_symphony({ "run", name, "--json" }, { cwd = dir })
  support.wait_until(function() return support.exists(dir .. "/state/" .. name) end, 30)
  local found = cells(c:pid())
  assert.equal(1, #found)
  return c, found[1]
end

local function ended(c)
  local r = support.wait_until(function() return c:wait(0.1) end, 30)
  return json.decode(r.out), r
end

describe("an operation in a process of its own", function()
  it("gives what it gives in the host", function()
    for _, name in ipairs { "library", "part", "store", "print", "fail", "bomb", "boom" } do
      local here = run(name, nil, "thread")
      local there, r = run(name)
      assert.equal(here.status, there.status, name .. json.encode(there.error or {}))
      assert.equal(("fail bomb boom"):find(name, 1, true) and "failed" or "completed", there.status, r.out)
      local a, b = here.outputs.out, there.outputs.out
      for _, out in ipairs { a, b } do
        if type(out) == "table" then out.key = nil end
        if type(out) == "table" and out.ref then out.ref.id = nil end
      end
      assert.same(a, b)
      if here.error ~= json.null then
        assert.equal(here.error.code, there.error.code, name)
        assert.same(here.error.where, there.error.where, name)
      end
    end
  end)

  it("uses what it was granted through its host, and nothing else", function()
    assert.equal("inside", run("read", '{ path = "inside.txt" }').outputs.out)
    assert.equal("permission_denied", run("read", '{ path = "/etc/passwd" }').error.code)
    assert.equal("permission_denied", run("write", '{ path = "inside.txt", bytes = "x" }').error.code)
    assert.equal("completed", run("write", '{ path = "state/new", bytes = "x" }').status)
    assert.equal("permission_denied", run("start", '{ argv = { "id" } }').error.code)
    assert.same({ out = "one\n", pieces = 4 }, run("start", '{ argv = { "sh", "-c", "echo one" } }').outputs.out)
  end)

  it("is limited as in the host", function()
    assert.equal("timeout", run("loop").error.code)
    assert.equal("odd/init.lua", run("loop").error.where.file)
    assert.equal("memory_limit", run("bomb").error.code)
  end)

  it("says in its record where it ran", function()
    local done = run "part"
    local r = support.symphony({ "data", "pit_operation", "--where", "task_id=" .. done.tasks[1].id, "--json" }, { cwd = dir })
    assert.truthy(r.out:find('isolation', 1, true), r.out)
    assert.truthy(r.out:find('process', 1, true), r.out)
  end)
end)

describe("a process of an extension that", function()
  it("is killed fails its task, and says by what", function()
    local c, cell = waiting "killed"
    support.sh("kill -9 " .. cell)
    local document = ended(c)
    assert.equal("extension_error", document.error.code)
    assert.truthy(document.error.message:find("SIGKILL", 1, true), document.error.message)
  end)

  it("is stopped meets the deadline of its call", function()
    support.write_file(dir .. "/melodies/stopped.lua", [[
local m = require "melody" "stopped"
m:task("t", "odd.spin", { name = "stopped" }, { isolation = "process", attempt_timeout = "2s" })
return m]])
    local c = support.start_symphony({ "run", "stopped", "--json" }, { cwd = dir })
    support.wait_until(function() return support.exists(dir .. "/state/stopped") end, 30)
    support.sh("kill -STOP " .. table.concat(cells(c:pid()), " "))
    local document = ended(c)
    assert.equal("timeout", document.error.code)
  end)

  it("is cancelled is gone at once", function()
    local c, cell = waiting "cancelled"
    c:kill "INT"
    ended(c)
    support.wait_until(function() return #support.sh("ps -o pid= -p " .. cell .. " || true") == 0 end, 5)
  end)

  it("loses its host ends, too", function()
    local c, cell = waiting "orphan"
    c:kill "KILL"
    support.wait_until(function() return c:wait(0.1) end, 30)
    support.wait_until(function() return #support.sh("ps -o pid= -p " .. cell .. " || true") == 0 end, 5)
  end)
end)

it("a hundred at once are served, and none is left", function()
  support.write_file(dir .. "/melodies/many.lua", [[
local m = require "melody" "many"
local list = {}
for i = 1, 100 do list[i] = { n = i } end
m:output("all", m:each("all", list, "odd.rest", function(it) return { n = it.n } end,
  { isolation = "process", max_parallel = 100 }))
return m]])
  local r = support.symphony({ "run", "many", "--json" }, { cwd = dir, timeout_s = 120 })
  local document = json.decode(r.out)
  assert.equal("completed", document.status, r.out .. r.err)
  assert.equal(100, #document.outputs.all)
  for i, one in ipairs(document.outputs.all) do assert.equal(i, one.n) end
end)

it("files of an extension that change under a running host harm nobody", function()
  support.write_file(dir .. "/melodies/swapped.lua", [[
local m = require "melody" "swapped"
local first = m:task("first", "odd.rest", { n = 1 }, { isolation = "process" })
m:output("out", m:task("second", "odd.part", {}, { isolation = "process", after = { "first" } }))
return m]])
  local c = support.start_symphony({ "run", "swapped", "--json" }, { cwd = dir })
  support.wait_until(function() return #cells(c:pid()) > 0 or c:wait(0) end, 30)
  support.write_file(dir .. "/extensions/odd/lib/part.lua", "return { name = 'second', os.exit }")
  local document = ended(c)
  support.write_file(dir .. "/extensions/odd/lib/part.lua", "return { name = 'first' }")
  assert.same({ name = "first" }, document.outputs.out)
end)
