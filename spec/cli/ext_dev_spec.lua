--- ext dev, and what an author is shown of an error.
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

  it("is as plain of one that runs in a process of its own", function()
    write("bad/Symphony.toml", (manifest():gsub('"one"', '"acme/bad"')))
    write("bad/init.lua", 'local h = require "h"\nreturn { go = function()\n  local n = h.deep {}\n  return n\nend }\n')
    write("bad/h.lua", "local M = {}\nfunction M.deep(x)\n  return x.a.b\nend\nreturn M\n")
    done("ext", "pack", "bad")
    assert.truthy(done("ext", "install", "acme-bad-0.1.0.sympkg", "--yes").out:find("process of its own", 1, true))
    local r = symphony("call", "acme/bad.go")
    assert.equal(1, r.code)
    local lead = "  acme/bad/h.lua:3   "
    assert.truthy(r.err:find(lead .. "return x.a.b\n" .. (" "):rep(#lead) .. "         ^\n  called from init.lua:3", 1, true),
      r.err)
    done("ext", "remove", "acme/bad")
  end)
end)
