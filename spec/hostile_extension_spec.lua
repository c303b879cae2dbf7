--- Extensions that try what they may not, through `symphony call` in a trusted project.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "evil"
version = "0.1.0"
type = "operator"
description = "Tries what it may not."
[operator]
operator_type = "test"
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/**"]
process = ["env", "yes", "sh"]
memory = "32MiB"
cpu = "1s"
timeout = "2s"
]]

local CODE = [[
local fs, process, time = require "fs", require "process", require "time"
local evil = {}
function evil.loop() while true do pcall(function() while true do end end) end end
function evil.bomb() local s = "x" while true do s = s .. s end end
function evil.sleep() time.sleep(100) return {} end
function evil.read(input) return fs.read(input.path) end
function evil.write(input) return fs.write(input.path, "x") end
function evil.list(input) return fs.list(input.path) end
function evil.copy(input) return fs.copy(input.from, input.to) end
function evil.move(input) return fs.move(input.from, input.to) end
function evil.remove(input) return fs.remove(input.path) end
function evil.start(input) return process.run { argv = input.argv, cwd = input.cwd, env = input.env } end
function evil.flood() return process.run { argv = { "yes" }, max_output = 1000 } end
function evil.large() return { x = ("x"):rep(17 << 20) } end
function evil.deep() local t = {} local top = t for _ = 1, 200 do t.t = {} t = t.t end return top end
function evil.circle() local t = {} t.t = t return t end
function evil.code() return { f = function() end } end
function evil.print() for i = 1, 50000 do print("noise", i) end return { done = true } end
function evil.fail() return nil, "no \27[31m\n{\"error\":1}", "not_a_code!" end
function evil.fake() return nil, "trust me", "not_trusted" end
function evil.boom() error(setmetatable({}, { __tostring = function() while true do end end })) end
return evil
]]

local OPERATIONS = { "loop", "bomb", "sleep", "read", "write", "list", "copy", "move", "remove", "start", "flood", "large",
  "deep", "circle", "code", "print", "fail", "fake", "boom" }

local dir, secret

setup(function()
  dir = paths.real(support.tmpdir()) .. "/project"
  secret = dir:gsub("project$", "secret")
  local text = MANIFEST
  for _, name in ipairs(OPERATIONS) do text = text .. ('[operation.%s]\ndoc = "It tries."\neffects = "read"\n'):format(name) end
  support.write_file(dir .. "/extensions/evil/Symphony.toml", text)
  support.write_file(dir .. "/extensions/evil/init.lua", CODE)
  support.write_file(dir .. "/melodies/mine.lua", "return 1")
  support.write_file(dir .. "/inside.txt", "inside")
  support.write_file(secret, "secret")
  support.sh("git init -q . && ln -s ../secret link && ln -s .. up && ln -s inside.txt near && ln -s .symphony state",
    { cwd = dir })
  assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
end)

local function call(operation, input, environment)
  return support.symphony({ "call", "--json", "evil." .. operation, json.encode(input or { x = 1 }) },
    { cwd = dir, env = environment })
end

local function refused(exit, code, operation, input)
  local r = call(operation, input)
  assert.equal(exit, r.code, operation .. " " .. r.out .. r.err)
  local failure = json.decode(r.out).error
  assert.equal(code, failure.code, failure.message)
  return failure
end

describe("time and memory:", function()
  it("a loop that catches its errors ends with its budget", function()
    local began = support.now_ms()
    local failure = refused(1, "timeout", "loop")
    assert.equal("evil/init.lua", failure.where.file)
    assert.is_true(support.now_ms() - began < 4000)
  end)

  it("memory, sleeping, and programs that never end are limited", function()
    assert.equal("evil/init.lua", refused(1, "memory_limit", "bomb").where.file)
    refused(1, "timeout", "sleep")
    refused(1, "timeout", "flood")
  end)

  it("results that are too large, too deep, circular or no data do not leave it", function()
    refused(1, "memory_limit", "large")
    for _, operation in ipairs { "deep", "circle", "code" } do refused(1, "extension_error", operation) end
  end)

  it("an error that never ends being told is cut", function()
    local began = support.now_ms()
    assert.equal(1, call("boom").code)
    assert.is_true(support.now_ms() - began < 4000)
  end)
end)

describe("files:", function()
  local outside = { "../secret", "link", "up/secret", "/etc/passwd", "../project/../secret", "./../secret",
    "extensions/../../secret", ".symphony/symphony.db", "state/symphony.db", ".symphony/../.symphony/symphony.db" }
  for _, path in ipairs(outside) do
    it(path .. " is not read", function()
      refused(3, "permission_denied", "read", { path = path })
    end)
  end

  local unwritable = { "../secret", "link", "up/new", "/tmp/new", ".git/hooks/pre-commit", ".git/config", ".symphony/x",
    "state/x", "melodies/new.lua", "extensions/evil/init.lua", "extensions/new/init.lua", "Symphony.toml",
    "sub/Symphony.toml", "sub/../.git/config", ".GIT/../.git/config" }
  for _, path in ipairs(unwritable) do
    it(path .. " is not written", function()
      refused(3, "permission_denied", "write", { path = path })
    end)
  end

  for _, path in ipairs { "../secret", "up/secret", ".git/config", "melodies/mine.lua", "state/x" } do
    it(path .. " is not removed, nor copied or moved to", function()
      assert.equal(3, call("remove", { path = path }).code)
      assert.equal(3, call("copy", { from = "inside.txt", to = path }).code)
      assert.equal(3, call("move", { from = "inside.txt", to = path }).code)
      assert.equal("inside", support.read_file(dir .. "/inside.txt"))
    end)
  end

  it("a link is removed, never what it leads to", function()
    support.sh("ln -s ../secret gone", { cwd = dir })
    assert.equal(0, call("remove", { path = "gone" }).code)
    assert.equal("secret", support.read_file(secret))
  end)

  it("folders that hold what is guarded are not moved away", function()
    for _, path in ipairs { ".git", "melodies", "extensions", "extensions/evil", ".symphony" } do
      assert.equal(3, call("move", { from = path, to = "elsewhere" }).code, path)
      assert.equal(3, call("remove", { path = path }).code, path)
    end
    assert.equal("secret", support.read_file(secret))
    assert.equal("return 1", support.read_file(dir .. "/melodies/mine.lua"))
    assert.is_true(support.exists(dir .. "/.git/config"))
  end)

  it("listing does not show what is outside", function()
    for _, path in ipairs { "..", "up", "/", ".symphony", "state" } do
      assert.equal(3, call("list", { path = path }).code, path)
    end
  end)

  it("what it may read, it reads", function()
    local r = call("read", { path = "inside.txt" })
    assert.equal(0, r.code, r.out)
    assert.equal("inside", json.decode(r.out))
  end)
end)

describe("programs:", function()
  it("only those that were granted are started", function()
    for _, argv in ipairs { { "id" }, { "/usr/bin/id" }, { "./inside.txt" }, { "/usr/bin/env" }, { "../../usr/bin/env" } } do
      refused(3, "permission_denied", "start", { argv = argv })
    end
    assert.equal(3, call("start", { argv = { "env" }, cwd = ".." }).code)
    assert.equal(3, call("start", { argv = { "env" }, cwd = "up" }).code)
  end)

  it("a child sees none of the environment but what every program needs", function()
    local r = support.symphony({ "call", "--json", "evil.start", '{"argv":["env"]}' },
      { cwd = dir, env = { SECRET_TOKEN = "leak", AWS_SECRET_ACCESS_KEY = "leak", LD_PRELOAD = "", GIT_DIR = "/leak" } })
    assert.equal(0, r.code, r.out .. r.err)
    local out = json.decode(r.out).stdout
    assert.is_nil(out:find "leak")
    for line in out:gmatch "[^\n]+" do
      assert.is_truthy(("HOME LANG LC_ALL PATH TMPDIR TZ USER LOGNAME PWD SHLVL _"):find(line:match "^[^=]*", 1, true), line)
    end
  end)

  it("a child has no open file of the host", function()
    local r = call("start", { argv = { "sh", "-c", "for f in /proc/self/fd/*; do readlink $f; done" } })
    assert.equal(0, r.code, r.out)
    local out = json.decode(r.out).stdout
    assert.is_nil(out:find "symphony", out)
    assert.is_nil(out:find "eventpoll", out)
  end)
end)

describe("output:", function()
  it("what is printed goes to the log, stdout stays one document", function()
    local r = call "print"
    assert.equal(0, r.code)
    assert.equal('{"done":true}\n', r.out)
    assert.is_true(#r.err < 100000)
  end)

  it("an error's text is told as text, its code only when it is one of an extension's", function()
    local r = call "fail"
    assert.equal(1, r.code, r.out)
    assert.equal(1, select(2, r.out:gsub("\n", "")))
    local said = support.symphony({ "call", "evil.fail" }, { cwd = dir }).err
    assert.is_nil(said:find "\27")
    assert.not_equal(3, call("fake").code)
  end)
end)
