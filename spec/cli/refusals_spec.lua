--- What is refused, with which code, exit code and next step.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"
local system = require "sy.system"

local function project(files)
  local dir = paths.real(support.tmpdir())
  for name, text in pairs(files or {}) do support.write_file(dir .. "/" .. name, text) end
  return dir
end

local function refused(dir, words, code, exit)
  local r = support.symphony(words, { cwd = dir })
  assert.equal(exit, r.code, table.concat(words, " ") .. "\n" .. r.out .. r.err)
  assert.matches("error[" .. code .. "]", r.err, 1, true)
  local with_json = support.symphony({ "--json", table.unpack(words) }, { cwd = dir })
  assert.equal(exit, with_json.code)
  assert.equal(code, json.decode(with_json.out).error.code)
  return r.err
end

describe("wrong usage", function()
  local dir = project()

  it("exits 2 and says what was meant", function()
    assert.matches("did you mean `cancel`", refused(dir, { "cancle" }, "usage", 2))
    assert.matches("did you mean `%-%-detach`", refused(dir, { "run", "hello", "--detatch" }, "usage", 2))
    assert.matches("did you mean `verify`", refused(dir, { "artifact", "verfy" }, "usage", 2))
    assert.matches("symphony run MELODY", refused(dir, { "run" }, "usage", 2))
    assert.matches("symphony run %-%-help", refused(dir, { "run", "--zzzzzz" }, "usage", 2))
    refused(dir, { "run", "a", "b" }, "usage", 2)
    refused(dir, { "--json=1" }, "usage", 2)
    refused(dir, { "run", "hello", "--durability", "most" }, "usage", 2)
    refused(dir, { "run", "hello", "--parallel", "many" }, "usage", 2)
    refused(dir, { "events", "--topic", "a..b" }, "usage", 2)
    refused(dir, { "--project", dir .. "/nothing", "runs" }, "not_found", 4)
  end)

  it("leaves nothing behind", function()
    assert.same({}, paths.names(dir))
  end)
end)

describe("parameters", function()
  local dir = project()

  it("that a melody has not are refused before anything runs", function()
    assert.matches("did you mean `name`", refused(dir, { "run", "hello", "-p", "nmae=x" }, "unknown_param", 2))
    assert.same({}, paths.names(dir))
  end)
end)

describe("a melody of the project", function()
  it("does not run while the project is not trusted", function()
    local dir = project {
      ["melodies/own.lua"] = 'local m = require "melody" "own"\n'
        .. 'm:task("a", "file.glob", { pattern = "*" })\nreturn m\n',
    }
    assert.matches("symphony trust", refused(dir, { "run", "own" }, "not_trusted", 3))
    assert.equal(0, support.symphony({ "melody", "check", "own" }, { cwd = dir }).code)
    assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
    assert.equal(0, support.symphony({ "run", "own" }, { cwd = dir }).code)
  end)

  it("with a mistake is refused with file and line", function()
    local dir = project {
      ["melodies/typo.lua"] = 'local m = require "melody" "typo"\nm:task("a", "file.glbo", { pattern = "*" })\nreturn m\n',
      ["melodies/broken.lua"] = "local m = = 1\n",
      ["melodies/evil.lua"] = 'os.execute("true")\n',
      ["melodies/loop.json"] = '{"format":1,"name":"loop","tasks":['
        .. '{"key":"a","verb":"task","operation":"file.glob","input":{"pattern":"*"},"options":{"after":["b"]}},'
        .. '{"key":"b","verb":"task","operation":"file.glob","input":{"pattern":"*"},"options":{"after":["a"]}}]}',
    }
    support.symphony({ "trust" }, { cwd = dir })
    assert.matches("melodies/typo.lua:2", refused(dir, { "run", "typo" }, "unknown_operation", 2), 1, true)
    assert.matches("melodies/broken.lua:1", refused(dir, { "run", "broken" }, "melody_invalid", 2), 1, true)
    assert.matches("melodies/evil.lua:1", refused(dir, { "run", "evil" }, "melody_invalid", 2), 1, true)
    refused(dir, { "run", "melodies/loop.json" }, "cycle", 2)
    assert.is_nil(paths.stat(dir .. "/.symphony"))
  end)
end)

describe("a .symphony that leads elsewhere", function()
  it("is refused", function()
    local dir = project()
    support.sh("mkdir elsewhere p && ln -s ../elsewhere p/.symphony", { cwd = dir })
    refused(dir .. "/p", { "run", "hello" }, "not_trusted", 3)
    refused(dir .. "/p", { "runs" }, "not_trusted", 3)
    assert.same({}, paths.names(dir .. "/elsewhere"))
  end)
end)

describe("a manifest with a mistake", function()
  it("is shown with its line by ext check, and stops only melodies that need it", function()
    local dir = project { ["extensions/mine/Symphony.toml"] = '[extension]\nname = "mine"\nverson = "1"\n' }
    support.symphony({ "trust" }, { cwd = dir })
    local r = support.symphony({ "ext", "check", "extensions/mine" }, { cwd = dir })
    assert.equal(2, r.code)
    assert.matches("extensions/mine/Symphony.toml:3", r.err, 1, true)
    assert.matches("did you mean `version`", r.err)
    assert.equal(0, support.symphony({ "run", "hello" }, { cwd = dir }).code)
  end)
end)

describe("a run that fails", function()
  it("exits 1 and says which task and what to type", function()
    local dir = project { ["melodies/bad.lua"] = 'local m = require "melody" "bad"\n'
      .. 'm:task("a", "file.read", { path = "nothing" })\nreturn m\n' }
    support.symphony({ "trust" }, { cwd = dir })
    local r = support.symphony({ "run", "bad" }, { cwd = dir })
    assert.equal(1, r.code)
    assert.matches("error[not_found]", r.err, 1, true)
    assert.matches("symphony logs 1 %-%-failed", r.err)
    local logs = support.symphony({ "logs", "1", "a", "--failed" }, { cwd = dir })
    assert.matches("not_found", logs.out)
  end)
end)

describe("a directory that cannot be written", function()
  it("is named with what to do", function()
    if system.user().uid == 0 then return pending "root writes everywhere" end
    local dir = project()
    support.run { "chmod", "0500", dir }
    assert.matches("writable", refused(dir, { "run", "hello" }, "io_error", 1))
  end)
end)
