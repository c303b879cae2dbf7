--- ext test: specs of an extension in its isolate.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function done(...)
  local r = symphony(...)
  assert.equal(0, r.code, r.out .. r.err)
  return r
end

local function write(path, text) support.write_file(dir .. "/" .. path, text) end

local function manifest(more)
  return ([[
[extension]
name = "one"
version = "0.1.0"
type = "operator"
description = "Tries."

[operator]
operator_type = "text"

[operation.go]
doc = "Goes."
effects = "external"

]]) .. (more or "")
end

before_each(function()
  dir = paths.real(support.tmpdir())
end)

describe("ext test", function()
  local function tested(code, spec, more, init)
    write("one/Symphony.toml", manifest(more))
    write("one/init.lua", init or "return { go = function() return {} end }\n")
    write("one/spec/one_spec.lua", 'local testing = require "testing"\n' .. spec)
    local r = symphony("ext", "test", "one", "--json")
    assert.equal(code, r.code, r.out .. r.err)
    return json.decode(r.out), r
  end

  it("has busted's words", function()
    local doc = tested(0, [[
describe("a block", function()
  local n = 0
  before_each(function() n = n + 1 end)
  after_each(function() n = n + 10 end)
  it("counts", function() assert.equal(1, n) end)
  it("counts on", function() assert.equal(12, n) assert.has_error(function() error "x" end) end)
  describe("in another", function() it("goes in", function() assert.same({ 23 }, { n }) end) end)
  pending("comes later")
  it("spies", function()
    local t = { f = function() return 1 end }
    local s = spy.on(t, "f")
    t.f(2)
    assert.spy(s).was.called_with(2)
    stub(t, "f").returns(5)
    assert.equal(5, t.f())
    stub(testing, "now_ms").returns(5)
  end)
  it("ends its stubs", function() assert.not_equal(5, testing.now_ms()) end)
end)
assert(testing.call)
]])
    assert.same({ 5, 0, 1 }, { doc.passed, doc.failed, doc.pending })
    assert.equal("a block in another goes in", doc.cases[3].case)
    assert.equal(6, doc.cases[1].line)
  end)

  it("shows where it failed, with the line of the source, and never the host's", function()
    local doc = tested(1, [[
it("is wrong", function()
  assert.equal(2, 1)
end)
it("breaks", function()
  testing.call("go")
end)
it("has an object", function() error { a = 1 } end)
]], nil, "local M = {}\nfunction M.go()\n  local x\n  return x.y\nend\nreturn M\n")
    local wrong, broken = doc.cases[1].problems[1], doc.cases[2].problems[1]
    assert.same({ "spec/one_spec.lua", 3, "assert.equal(2, 1)" }, { wrong.file, wrong.line, wrong.source })
    assert.same({ "init.lua", 4, "return x.y" }, { broken.file, broken.line, broken.source })
    assert.equal("failed", doc.cases[3].status)
    local said = symphony("ext", "test", "one").out
    assert.truthy(said:find("one/init.lua:4   return x.y\n" .. (" "):rep(32) .. "^", 1, true), said)
    assert.falsy(said:find("busted/", 1, true) or said:find("testing/", 1, true))
  end)

  it("goes on with the next file when one does not end well", function()
    write("one/spec/b_spec.lua", "local x = = 1\n")
    write("one/spec/c_spec.lua", "error 'no'\n")
    write("one/spec/d_spec.lua", "")
    local doc = tested(1, 'it("runs", function() end)\n')
    assert.same({ 1, 3 }, { doc.passed, doc.failed })
  end)

  it("ends a test that loops for ever, and fails it", function()
    local doc = tested(1, 'it("runs", function() end)\nit("loops", function() while true do end end)\n',
      '[capabilities]\ncpu = "100ms"\n')
    assert.same({ "passed", "failed", "loops" }, { doc.cases[1].status, doc.cases[2].status, doc.cases[2].case })
  end)

  it("gives each test files of its own, under the real grants", function()
    tested(0, [[
local fs = require "fs"
it("writes", function()
  testing.files { ["a/b"] = "1" }
  assert.equal("1", fs.read "a/b")
  assert(fs.write("c", "2"))
  assert.equal("2", testing.read "c")
  assert.equal("permission_denied", select(3, fs.write("no/x", "2")))
  assert.equal("permission_denied", select(3, fs.read "/etc/passwd"))
  assert.equal("permission_denied", select(3, fs.read ".symphony/x"))
  assert.has_error(function() testing.files { ["../x"] = "" } end)
end)
it("is empty again", function()
  assert.is_nil(testing.read "c")
  assert.is_false(fs.exists "a")
end)
]], '[capabilities]\nfs.read = ["$PROJECT/**", "/etc/**"]\nfs.write = ["c", "a/**"]\n')
  end)

  it("has a clock that only the test moves", function()
    tested(0, [[
local time = require "time"
it("sleeps a day at once", function()
  local before, mono = time.now_ms(), time.monotonic()
  time.sleep(86400)
  assert.same({ 86400000, 86400000.0, 86400000 }, { time.now_ms() - before, time.monotonic() - mono, testing.slept_ms() })
  testing.set_now(0)
  assert.equal("1970-01-01T00:00:00.000Z", time.iso(time.now_ms()))
  assert.equal(0, os.time())
end)
it("begins anew", function() assert.equal("2026-01-01T00:00:00.000Z", time.iso(time.now_ms())) end)
]])
  end)

  it("answers HTTP as told, names what has no answer, and asks nobody", function()
    local doc = tested(1, [[
local http = require "http"
it("answers", function()
  testing.reply("https://a.org/*", { status = 201, body = "yes" })
  testing.reply("https://a.org/down", function() return nil, "no route", "io_error" end)
  local pieces = {}
  local answer = http.request { url = "https://a.org/x", body = "b", on_body = function(p) pieces[#pieces + 1] = p end }
  assert.same({ 201, "yes", "POST" }, { answer.status, pieces[1], testing.requests()[1].method })
  assert.equal("io_error", select(3, http.request { url = "https://a.org/down" }))
  assert.equal("permission_denied", select(3, http.request { url = "https://b.org/" }))
end)
it("has none", function() pcall(http.request, { url = "https://a.org/y" }) end)
]], '[capabilities]\nnet = ["a.org:443"]\n')
    assert.same({ 1, 1 }, { doc.passed, doc.failed })
    assert.truthy(doc.cases[2].problems[1].message:find("GET https://a.org/y has no answer", 1, true))
  end)

  it("records answers and plays them without a network", function()
    write("page.txt", "a page")
    local server = support.start({ "python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1" }, { cwd = dir })
    local port = support.wait_until(function() return server:out():match "port (%d+)" end)
    local spec = ([[
local http = require "http"
it("asks", function()
  assert.equal("a page\n", http.request { url = "http://127.0.0.1:%s/page.txt" }.body .. "\n")
end)
]]):format(port)
    local grant = ('[capabilities]\nnet = ["127.0.0.1:%s"]\n'):format(port)
    tested(1, spec, grant)
    done("ext", "test", "one", "--record")
    server:kill "KILL"
    server:wait(10)
    assert.truthy(support.read_file(dir .. "/one/spec/one_spec.http.json"):find("a page", 1, true))
    tested(0, spec, grant)
    write("one/spec/one_spec.http.json", "{}")
    assert.equal(2, symphony("ext", "test", "one").code)
  end)

  it("runs programs as told, and really where it says so", function()
    tested(0, [[
local process = require "process"
it("is told", function()
  testing.program({ "git", "log" }, { stdout = "one\n" })
  assert.equal("one\n", process.run({ argv = { "git", "log", "-1" } }).stdout)
  testing.program({ "git" }, { exit_code = 2, stderr = "bad" })
  assert.equal("process_failed", select(3, process.run { argv = { "git", "x" }, check = true }))
  assert.equal("permission_denied", select(3, process.run { argv = { "sh" } }))
end)
it("runs", function()
  testing.real "cat"
  assert.equal("in", process.run({ argv = { "cat" }, stdin = "in" }).stdout)
end)
]], '[capabilities]\nprocess = ["git", "cat"]\n')
  end)

  it("calls operations as the engine does", function()
    tested(0, [[
it("goes", function()
  local out = assert(testing.call("go", { path = "p" }))
  assert.same({ n = 3, path = "p" }, out)
  local last = testing.last()
  assert.same({ "text", "bytes", 7, "tick", "said", 2 }, { last.artifacts[1].type, last.artifacts[1].bytes,
    last.usage.tokens, last.events[1].type, last.logs[1].text, last.progress[1].total })
  assert.equal("unknown_field", select(3, testing.call("go", { path = "p", x = 1 })))
  local _, message, code = testing.call("go", { path = "again" })
  assert.same({ "later", "busy", true }, { message, code, testing.last().transient })
  assert.truthy(select(2, testing.call("go", { path = "bad" })):find "output of go")
  assert.has_error(function() testing.call("gone") end)
end)
]], [[
[operation.go.input]
type = "object"
additionalProperties = false
required = ["path"]
properties = { path = { type = "string" }, n = { type = "integer", default = 3 } }
[operation.go.output]
type = "object"
required = ["n"]
properties = { n = { type = "integer" }, path = { type = "string" } }
]], [[
local M = {}
function M.go(input, ctx)
  if input.path == "again" then return ctx.retry("later", "busy") end
  if input.path == "bad" then return { n = "x" } end
  ctx.artifact("text", "bytes", { name = "a" })
  ctx.usage { tokens = 7 }
  ctx.emit("tick", {})
  ctx.log("info", "said")
  ctx.progress(1, 2)
  return { n = input.n, path = input.path }
end
return M
]])
  end)

  it("writes TAP and JUnit", function()
    tested(1, 'it("is", function() end)\nit("is not", function() error "no" end)\npending("will be")\n')
    local r = symphony("ext", "test", "one", "--tap", "--junit", "out.xml")
    assert.equal(1, r.code)
    assert.truthy(r.out:find("1..3\nok 1 - one: is\nnot ok 2 - one: is not\n", 1, true), r.out)
    assert.truthy(r.out:find("ok 3 - one: will be # SKIP", 1, true))
    local xml = support.read_file(dir .. "/out.xml")
    assert.truthy(xml:find('tests="3" failures="1"', 1, true) and xml:find("<skipped/>", 1, true), xml)
  end)

  it("says what is missing", function()
    write("one/Symphony.toml", manifest())
    write("one/init.lua", "return {}\n")
    local r = symphony("ext", "test", "one")
    assert.equal(4, r.code)
    assert.truthy(r.err:find("one has no tests", 1, true))
    assert.equal(4, symphony("ext", "test", "nothing").code)
  end)
end)
