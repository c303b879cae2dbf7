--- ext new and ext check as an author meets them.
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
