--- The commands for authors as one meets them: a new extension, its check, its tests, its life under ext dev.
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

describe("ext new", function()
  for _, kind in ipairs { "operator", "instrument", "motif" } do
    it(("makes a new %s that passes its check and its tests at once"):format(kind), function()
      done("ext", "new", "acme/mine", "--type", kind)
      local r = done("ext", "check", "extensions/mine")
      assert.equal("", r.err)
      local doc = json.decode(done("ext", "test", "extensions/mine", "--json").out)
      assert.is_true(doc.passed >= 3)
      assert.equal(0, doc.failed)
      done("trust")
      local shown = done("ext", "show", "acme/mine").out
      assert.truthy(shown:find(kind, 1, true))
      local luarc = json.decode(support.read_file(dir .. "/extensions/mine/.luarc.json"))
      assert.truthy(luarc["workspace.library"][1]:match "/types$")
    end)
  end

  it("overwrites nothing", function()
    write("extensions/mine/init.lua", "-- mine\n")
    local r = symphony("ext", "new", "mine")
    assert.equal(2, r.code)
    assert.equal("-- mine\n", support.read_file(dir .. "/extensions/mine/init.lua"))
    assert.is_false(support.exists(dir .. "/extensions/mine/Symphony.toml"))
  end)

  it("takes names that can be published", function()
    for _, name in ipairs { "Mine", "a/b/c", "../x", "1a", "a b", "" } do
      local r = symphony("ext", "new", name)
      assert.equal(2, r.code, name)
      assert.is_false(support.exists(dir .. "/extensions"))
    end
  end)
end)

describe("ext check", function()
  --- The problems: "severity line message".
  local function found(code, more, init)
    write("one/Symphony.toml", manifest(more))
    write("one/init.lua", init)
    local r = symphony("ext", "check", "one", "--json")
    assert.equal(code, r.code, r.out .. r.err)
    local list = {}
    for i, one in ipairs(json.decode(r.out).problems) do
      list[i] = ("%s %s:%d %s"):format(one.severity or "error", paths.name(one.where.file), one.where.line, one.message)
    end
    return table.concat(list, "\n")
  end

  local HEAD = 'local fs = require "fs"\nlocal http = require "http"\nlocal process = require "process"\nlocal M = {}\n'

  it("finds what is used and not asked for", function()
    assert.equal("error init.lua:6 it writes files, which the manifest does not ask for\n"
      .. "error init.lua:7 it uses `git`, which the manifest does not ask for\n"
      .. "error init.lua:8 it uses `api.example.com:443`, which the manifest does not ask for\n"
      .. "error init.lua:9 it uses `ui`, which the manifest does not ask for", found(2, '[capabilities]\n'
      .. 'process = ["make"]\nnet = ["example.org:443"]\neditor = ["read"]\nfs.read = ["$PROJECT/**"]\n', HEAD .. [[
function M.go(input, ctx)
  fs.write("a", fs.read "b")
  process.run { argv = { "git", "status" } } process.run { argv = { "make" } }
  http.request { url = "https://api.example.com/v1" } http.request { url = "https://example.org" }
  ctx.editor.notify("x") ctx.editor.buffer()
end
return M
]]))
  end)

  it("finds what is asked for and not used", function()
    local said = found(0, '[capabilities]\nfs.write = ["$PROJECT/**"]\nnet = ["a.org:443"]\nenv = ["HOME"]\n'
      .. 'secrets = ["key"]\n', "return { go = function() end }\n")
    for _, name in ipairs { "fs.write", "net `a.org:443`", "env", "secrets `key`" } do
      assert.truthy(said:find("warning Symphony.toml:%d+ it asks for " .. name:gsub("%p", "%%%0") .. " and"), said)
    end
  end)

  it("says where it cannot tell", function()
    assert.equal("note init.lua:6 cannot tell which program this is", found(0, '[capabilities]\nprocess = ["git"]\n', [[
local process = require "process"
local M = {}

local function words(input) return input.argv end
function M.go(input)
  return process.run { argv = words(input) }
end
return M
]]))
  end)

  it("finds names that mean nothing", function()
    local said = found(2, "", [[
local M = {}
function M.go(input)
  local file = io.open(input.path)
  count = 1
  return os.getenv "HOME", file, foo(count), input.x
end
return M
]])
    for _, one in ipairs { "error init.lua:3 `io` means nothing", "error init.lua:5 os has no `getenv`",
      "error init.lua:5 `foo` means nothing" } do
      assert.truthy(said:find(one, 1, true), said)
    end
    assert.truthy(said:find("warning init.lua:4", 1, true), said)
  end)

  it("knows locals, parameters, keys, labels and methods", function()
    assert.equal("", found(0, "", [[
local M = { count = 1 }
M.__index = M
local function fact(n) return n < 2 and 1 or n * fact(n - 1) end
function M:go(a, ...)
  for i, v in ipairs { a, ... } do if v then goto done end self.x = i end
  ::done::
  local x <const> = fact(3)
  repeat local y = x until y
  return { a = x, ["b"] = M.go, c = function(z) return z end }
end
return M
]]))
  end)

  it("shows file, line and caret of a syntax error, in specs too", function()
    write("one/Symphony.toml", manifest())
    write("one/init.lua", "return { go = function() end }\n")
    write("one/spec/a_spec.lua", "describe('x', function()\n  local y = = 1\nend)\n")
    local r = symphony("ext", "check", "one")
    assert.equal(2, r.code)
    assert.equal("error[extension_error]: unexpected symbol near '='\n"
      .. "  one/spec/a_spec.lua:2   local y = = 1\n" .. (" "):rep(26) .. "        ^", r.err:gsub("%s+$", ""))
  end)

  it("finds nothing wrong with what is bundled", function()
    for _, name in ipairs(paths.names(support.root .. "/extensions/operators")) do
      local r = symphony("ext", "check", support.root .. "/extensions/operators/" .. name, "--json")
      assert.equal(0, r.code, r.out)
      for _, one in ipairs(json.decode(r.out).problems) do assert.equal("note", one.severity, one.message) end
    end
  end)
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
  end)
end)
assert(testing.call)
]])
    assert.same({ 4, 0, 1 }, { doc.passed, doc.failed, doc.pending })
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

describe("ext dev", function()
  local child

  local INIT = 'local M = {}\nfunction M.go() return { word = "%s" } end\nreturn M\n'

  local function events()
    local list = {}
    for line in child:out():gmatch "([^\n]+)\n" do list[#list + 1] = json.decode(line) end
    return list
  end

  local function wait_for(count)
    local ok, list = pcall(support.wait_until, function()
      local list = events()
      return #list >= count and list
    end, 20)
    return ok and list or error(child:out() .. child:err())
  end

  after_each(function()
    if child then
      child:kill "KILL"
      child:wait(10)
    end
    child = nil
  end)

  it("swaps what holds, keeps what was there, calls it again, and ends with a signal", function()
    write("one/Symphony.toml", manifest())
    write("one/init.lua", INIT:format "first")
    child = support.start_symphony({ "ext", "dev", "one", "--call", "go", "--json" }, { cwd = dir })
    local list = wait_for(3)
    assert.same({ "swapped", "first", "watching" }, { list[1].event, list[2].word, list[3].event })
    assert.same({ "go" }, list[1].added)
    write("one/init.lua", "return {\n  go = = 1 }\n")
    list = wait_for(4)
    assert.same({ "refused", list[1].hash, 2 }, { list[4].event, list[4].keeps, list[4].problems[1].where.line })
    write("one/init.lua", "return {}\n")
    assert.truthy(wait_for(5)[5].problems[1].message:find "does not return a function `go`")
    write("one/lib.lua", 'return { word = "second" }\n')
    write("one/init.lua", 'local lib = require "lib"\nreturn { go = function() return lib end }\n')
    list = wait_for(7)
    while list[#list].word ~= "second" do list = wait_for(#list + 1) end
    child:kill "INT"
    local r = assert(child:wait(30))
    assert.equal(0, r.code, r.err)
    child = nil
  end)

  it("refuses what fails its tests", function()
    write("one/Symphony.toml", manifest())
    write("one/init.lua", INIT:format "x")
    write("one/spec/a_spec.lua", 'it("is", function() assert.equal("y", require("testing").call("go").word) end)\n')
    local r = symphony("ext", "dev", "one", "--test", "--once")
    assert.equal(1, r.code)
    assert.truthy(r.out:find("0 passed, 1 failed", 1, true), r.out .. r.err)
    write("one/init.lua", INIT:format "y")
    assert.truthy(done("ext", "dev", "one", "--test", "--once").out:find("1 tests passed", 1, true))
  end)

  it("runs nothing of a project that is not trusted", function()
    write("extensions/one/Symphony.toml", manifest())
    write("extensions/one/init.lua", "error 'ran'\n")
    local r = symphony("ext", "dev", "extensions/one", "--once")
    assert.equal("not_trusted", r.err:match "error%[([%a_]+)%]")
  end)
end)

describe("an error of an extension", function()
  local function said(init, more)
    write("extensions/one/Symphony.toml", manifest())
    write("extensions/one/init.lua", init)
    for path, text in pairs(more or {}) do write("extensions/one/" .. path, text) end
    done("trust")
    local r = symphony("call", "one.go")
    assert.equal(1, r.code)
    assert.falsy(r.err:find("stack traceback", 1, true) or r.err:find("lua/", 1, true) or r.err:find("core/", 1, true))
    return r.err
  end

  it("shows name, file, line and caret, and who called", function()
    local err = said('local lib = require "lib.deep"\nreturn { go = function()\n  local n = lib.get({})\n  return n\nend }\n',
      { ["lib/deep.lua"] = "local M = {}\nfunction M.get(x)\n  return x.a.b\nend\nreturn M\n" })
    assert.truthy(err:find("attempt to index a nil value (field 'a')", 1, true), err)
    local lead = "  one/lib/deep.lua:3   "
    assert.truthy(err:find(lead .. "return x.a.b\n" .. (" "):rep(#lead) .. "         ^", 1, true), err)
  end)

  it("is found in coroutines, objects and what is required", function()
    assert.truthy(said('return { go = function()\n  local f = coroutine.wrap(function()\n    error("deep")\n  end)\n  f()\nend }\n')
      :find('one/init.lua:3   error("deep")', 1, true))
    assert.truthy(said('return { go = function()\n  error { message = "told" }\nend }\n')
      :find('one/init.lua:2   error { message = "told" }', 1, true))
    assert.truthy(said('local l = require "l"\nreturn { go = function() return l end }\n', { ["l.lua"] = "local x = = 1\n" })
      :find("one/l.lua:1   local x = = 1", 1, true))
  end)
end)
