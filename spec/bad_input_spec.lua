--- Bad input: each is a clear error or a sensible result, with the right exit code, and nothing is lost.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"
local system = require "sy.system"

local dir

local function symphony(...) return support.symphony({ ... }, { cwd = dir }) end

--- Both forms of a refusal: for people on stderr, with --json one document on stdout and nothing else.
local function refused(exit, code, ...)
  local r = symphony(...)
  local what = table.concat({ ... }, " ") .. "\n" .. r.out .. r.err
  assert.equal(exit, r.code, what)
  assert.matches("error[" .. code .. "]", r.err, 1, true)
  local machine = symphony("--json", ...)
  assert.equal(exit, machine.code, what)
  assert.equal(1, select(2, machine.out:gsub("\n", "")), "one document on one line")
  local failure = json.decode(machine.out).error
  assert.equal(code, failure.code)
  assert.is_string(failure.message)
  assert.is_table(failure.where)
  return r.err, failure
end

local function new_project(files)
  dir = paths.real(support.tmpdir())
  for name, text in pairs(files or {}) do support.write_file(dir .. "/" .. name, text) end
  assert.equal(0, symphony("trust").code)
end

local function melody(body, name)
  name = name or "m"
  support.write_file(("%s/melodies/%s.lua"):format(dir, name),
    ('local melody = require "melody"\nlocal m = melody "%s"\n%s\nreturn m\n'):format(name, body))
end

before_each(function() new_project() end)

describe("a melody with", function()
  --- name, exit code's error code, where, body
  local bad = {
    { "broken Lua", "melody_invalid", "melodies/m.lua:3", "local x = = 1" },
    { "an unknown operation", "unknown_operation", "melodies/m.lua:3", 'm:task("a", "file.raed", { path = "x" })',
      "did you mean `file.read`" },
    { "an unknown input field", "unknown_field", "melodies/m.lua:3", 'm:task("a", "file.read", { path = "x", pth = "y" })',
      "did you mean `path`" },
    { "a wrong type", "type_mismatch", "melodies/m.lua:3", 'm:task("a", "file.read", { path = 7 })' },
    { "a missing field", "missing_param", "melodies/m.lua:3", 'm:task("a", "file.read", {})' },
    { "an unknown option", "melody_invalid", "melodies/m.lua:3", 'm:task("a", "file.read", { path = "x" }, { rety = 3 })',
      "did you mean `retry`" },
    { "a condition that does not compile", "expression_error", "melodies/m.lua:3",
      'm:task("a", "file.read", { path = "x" }, { when = "1 +" })' },
    { "a handle used as a value", "melody_invalid", "melodies/m.lua:4",
      'local a = m:task("a", "file.read", { path = "x" })\nlocal s = "x" .. a.content' },
    { "os.execute", "melody_invalid", "melodies/m.lua:3", 'os.execute("true")' },
    { "io.open", "melody_invalid", "melodies/m.lua:3", 'io.open("/etc/passwd")' },
    { 'require "host"', "melody_invalid", "melodies/m.lua:3", 'require "host"' },
    { "a key twice", "melody_invalid", "melodies/m.lua:4",
      'm:task("a", "file.read", { path = "x" })\nm:task("a", "file.read", { path = "x" })' },
    { "a loop without end", "timeout", "melodies/m.lua:3", "while true do end" },
    { "more memory than it may use", "memory_limit", "melodies/m.lua:3",
      'local t = {} while true do t[#t + 1] = ("x"):rep(1e6) .. #t end' },
  }
  for _, case in ipairs(bad) do
    it(case[1] .. " is refused with file and line before anything runs", function()
      melody(case[4])
      local said = refused(2, case[2], "run", "m")
      assert.matches(case[3], said, 1, true)
      if case[5] then assert.matches(case[5], said, 1, true) end
      assert.equal(2, symphony("melody", "check", "m").code)
      assert.is_false(support.exists(dir .. "/.symphony/symphony.db"))
    end)
  end

  it("an unknown output field shows the line, the field and what was meant", function()
    melody('local diff = m:task("diff", "git.diff")\nm:task("s", "search.grep", { pattern = "x",\n  paths = diff.fiels })')
    local said = refused(2, "unknown_field", "run", "m")
    assert.equal("error[unknown_field]: git.diff has no output `fiels`\n"
      .. "  melodies/m.lua:5   paths = diff.fiels\n"
      .. (" "):rep(#"  melodies/m.lua:5   paths = diff.") .. "^^^^^ did you mean `files`?\n"
      .. "  symphony ext show git.diff   lists its outputs\n", said)
  end)

  it("a cycle is refused", function()
    melody('m:task("a", "file.read", { path = "x" }, { after = { "b" } })\n'
      .. 'm:task("b", "file.read", { path = "x" }, { after = { "a" } })')
    assert.matches("a.*b", refused(2, "cycle", "run", "m"))
  end)

  it("parameters that are missing, unknown or of a wrong type is not started", function()
    melody('local n = m:param("count", { type = "integer" })\nm:output("n", n)\nm:task("a", "file.glob", { pattern = "*" })')
    refused(2, "missing_param", "run", "m")
    assert.matches("did you mean `count`", refused(2, "unknown_param", "run", "m", "-p", "cout=1"))
    refused(2, "type_mismatch", "run", "m", "-p", "count=many")
    assert.equal(0, symphony("run", "m", "-p", "count=3").code)
  end)
end)

describe("options and names nobody knows", function()
  it("are refused with what was meant", function()
    assert.matches("did you mean `--detach`", refused(2, "usage", "run", "hello", "--detahc"), 1, true)
    refused(2, "usage", "rnu", "hello")
    refused(2, "usage", "artifact", "ls", "--frobnicate")
    refused(4, "not_found", "run", "nothing-like-this")
    refused(4, "not_found", "show", "77")
    refused(4, "not_found", "artifact", "cat", "0123456789ab")
    refused(4, "not_found", "--project", dir .. "/nowhere", "runs")
  end)
end)

describe("trust", function()
  it("is needed for the project's melodies, not for the bundled ones", function()
    melody('m:task("a", "file.glob", { pattern = "*" })')
    assert.equal(0, symphony("untrust").code)
    assert.matches("symphony trust", refused(3, "not_trusted", "run", "m"))
    assert.equal(0, symphony("melody", "check", "m").code)
    assert.equal(0, symphony("run", "hello").code)
  end)

  it("is not needed to check a melody of the project's own extension", function()
    support.write_file(dir .. "/extensions/own/Symphony.toml", [=[
[extension]
name = "own"
version = "0.1.0"
type = "operator"
category = "test"
description = "Of this project."
license = "MIT"
symphony = ">=0.1, <1"
[operator]
operator_type = "test"
[operation.echo]
doc = "Gives back what it gets."
effects = "none"
input = { type = "object" }
output = { type = "object" }
]=])
    support.write_file(dir .. "/extensions/own/init.lua", "return { echo = function(input) return input end }\n")
    melody('m:task("a", "own.echo", {})')
    symphony("untrust")
    assert.equal(0, symphony("melody", "check", "m").code)
    refused(3, "not_trusted", "run", "m")
  end)

  it("is never given to a .symphony of somebody else", function()
    if system.user().uid ~= 0 then return pending "only root makes files of others" end
    assert.equal(0, symphony("run", "hello").code)
    support.sh("chown -R 65534 .symphony", { cwd = dir })
    refused(3, "not_trusted", "run", "hello")
    refused(3, "not_trusted", "runs")
  end)
end)

describe("a manifest", function()
  local function checked(text)
    support.write_file(dir .. "/extensions/x/Symphony.toml", text)
    local r = symphony("ext", "check", "extensions/x")
    assert.equal(2, r.code)
    assert.matches("error[manifest_invalid]", r.err, 1, true)
    assert.equal("manifest_invalid", json.decode(symphony("ext", "check", "extensions/x", "--json").out).problems[1].code)
    assert.equal(0, symphony("run", "hello").code)
    return r.err
  end

  it("with a typo is shown with its line and what was meant", function()
    local said = checked '[extension]\nname = "x"\nversion = "0.1.0"\ntpye = "operator"\n'
    assert.matches("extensions/x/Symphony.toml:4", said, 1, true)
    assert.matches("did you mean `type`", said, 1, true)
  end)

  it("that is no TOML is shown with its line", function()
    assert.matches("Symphony.toml:2", checked '[extension]\nname = = 1\n', 1, true)
  end)
end)

describe("values", function()
  it("that are too deep or too large are refused by what they are", function()
    melody('local p = m:param("v", { type = "any" })\nm:task("a", "file.glob", { pattern = "*" })\nm:output("v", p)')
    support.write_file(dir .. "/deep.json", '{"v":' .. ("["):rep(200) .. ("]"):rep(200) .. "}")
    assert.equal(2, symphony("run", "m", "--params", "deep.json").code)
    support.write_file(dir .. "/large.json", '{"v":"' .. ("x"):rep(17 << 20) .. '"}')
    assert.equal(2, symphony("run", "m", "--params", "large.json").code)
    support.write_file(dir .. "/broken.json", '{"v":')
    refused(2, "usage", "run", "m", "--params", "broken.json")
    refused(2, "usage", "call", "file.read", "{")
  end)

  it("of 64-bit integers, empty lists and text that looks like more pass as they are", function()
    melody('local p = m:param("v", { type = "any" })\nm:task("a", "file.glob", { pattern = "none*" })\nm:output("v", p)')
    support.write_file(dir .. "/v.json", '{"v":{"i":9007199254740993,"e":[],"o":{},"s":"{a.b} \\u0000 é"}}')
    local r = symphony("run", "m", "--params", "v.json", "--json")
    assert.equal(0, r.code, r.err)
    assert.matches("9007199254740993", r.out, 1, true)
    assert.matches('"e":[]', r.out, 1, true)
    assert.matches('"o":{}', r.out, 1, true)
    assert.matches("{a.b} \\u0000 é", r.out, 1, true)
  end)
end)

describe("a URL that is none", function()
  local MANIFEST = [[
[extension]
name = "ask"
version = "0.1.0"
type = "operator"
description = "Asks a service."
[operator]
operator_type = "http"
[operation.get]
doc = "What is at a URL."
effects = "read"
input = { type = "object", properties = { url = { type = "string" } } }
[capabilities]
net = ["localhost:1"]
]]
  local CODE = [[
local http = require "http"
return { get = function(input)
  local answer, message, code = http.request { url = input.url }
  if not answer then return nil, message, code end
  return { status = answer.status }
end }
]]

  before_each(function()
    new_project { ["extensions/ask/Symphony.toml"] = MANIFEST, ["extensions/ask/init.lua"] = CODE }
  end)

  it("is wrong usage of the operation, and says which", function()
    for url, said in pairs { ["htp://x"] = "htp://x: only http:// and https:// are asked", [""] = '"": this is no URL',
                             ["http://localhost:99999"] = "this is no URL", ["http://a b"] = "has a blank",
                             ["http://localhost:1\0.org/"] = "control character",
                             ["http://me:pw@localhost:1"] = "no user or password" } do
      local _, failure = refused(2, "usage", "call", "ask.get", json.encode { url = url })
      assert.matches(said, failure.message, 1, true)
      assert.equal("get", failure.where.task)
      assert.equal("symphony ext show ask.get   shows what it takes", failure.hint)
    end
    local _, elsewhere = refused(3, "permission_denied", "call", "ask.get", '{"url":"http:///x"}')
    assert.matches("may not ask x:80", elsewhere.message, 1, true)
  end)

  it("fails the run with that code", function()
    melody 'm:task("a", "ask.get", { url = "htp://x" })'
    local r = symphony("run", "m", "--json")
    assert.equal(1, r.code, r.err)
    assert.equal("usage", json.decode(r.out).error.code)
  end)
end)
