--- Trusted Lua runs code that it does not trust.
local isolate = require "sy.isolate"
local json = require "sy.json"

local function evaluate(source, more)
  local options = { source = source, chunk = "melodies/m.lua" }
  for key, value in pairs(more or {}) do options[key] = value end
  return isolate.evaluate(options)
end

describe("sy.isolate.evaluate", function()
  it("refuses what a melody must not do, with file and line", function()
    local sources = {
      { "\nos.execute('ls')", 2, "os.execute" },
      { "io.open('x')", 1, "io" },
      { "\n\nrequire 'host'", 3, "host" },
      { "require '../x'", 1, "module name" },
      { "local x = = 1", 1, "unexpected symbol" },
    }
    for _, row in ipairs(sources) do
      local value, err, code = evaluate(row[1])
      assert.is_nil(value)
      assert.equal("melody_invalid", code)
      assert.equal("melody_invalid", err.code)
      assert.equal("melodies/m.lua", err.where.file)
      assert.equal(row[2], err.where.line)
      assert.truthy(err.message:find(row[3], 1, true), err.message)
    end
  end)

  it("ends a loop and a hoard", function()
    local _, err, code = evaluate("while true do pcall(function() while true do end end) end", { cpu_ms = 50 })
    assert.equal("timeout", code)
    assert.equal(1, err.where.line)
    local _, _, memory = evaluate("local t = {} while true do t[#t + 1] = {} end", { memory_bytes = 1 << 20 })
    assert.equal("memory_limit", memory)
  end)

  it("refuses results that cannot cross", function()
    local value, err = evaluate("return { f = print }")
    assert.is_nil(value)
    assert.truthy(err.message:find("f", 1, true))
  end)

  it("gives the value back", function()
    assert.same({ 1, { a = "b" }, json.null }, evaluate("local json = require 'json' return { 1, { a = 'b' }, json.null }"))
    assert.equal(json.null, evaluate("return nil"))
    assert.same({ 3, "x" }, evaluate("local n, t = ... return { n + 1, t.name }", { args = { 2, { name = "x" } } }))
  end)

  it("asks for modules, and takes a failing answer for none", function()
    local asked = {}
    local function module(name)
      asked[#asked + 1] = name
      if name == "shared" then return "return { n = 20 }", "melodies/shared.lua" end
      if name == "bad" then return "local x = = 1", "melodies/bad.lua" end
      if name == "raises" then error("no") end
    end
    assert.equal(20, evaluate("require 'shared' return require 'shared'.n", { module = module }))
    assert.same({ "shared" }, asked)
    local _, err = evaluate("require 'bad'", { module = module })
    assert.equal("melodies/bad.lua", err.where.file)
    local _, _, code = evaluate("require 'raises'", { module = module })
    assert.equal("melody_invalid", code)
  end)

  it("knows the vocabulary of melodies", function()
    local raw, err = evaluate [[
      local melody = require "melody"
      local m = melody "small"
      m:task("list", "file.list", { path = "." })
      return m]]
    assert.is_nil(err and err.message)
    assert.equal("small", raw.name)
    assert.equal("list", raw.tasks[1].key)
    assert.equal(3, raw.tasks[1].line)
  end)
end)

describe("sy.isolate.new", function()
  local source = [[
    local M = {}
    function M.double(input) return { n = input.n * 2 } end
    function M.count() total = (total or 0) + 1 return total end
    function M.fails() return nil, "not today", "tired" end
    function M.raises() error("broken") end
    function M.loops() while true do end end
    return M]]

  it("calls operations again and again", function()
    local iso = assert(isolate.new { source = source, name = "x", cpu_ms = 100 })
    assert.same({ n = 42 }, iso:call("double", { n = 21 }))
    assert.equal(1, iso:call("count"))
    assert.equal(2, iso:call("count"))
    assert.is_true(iso:bytes() > 1000)
    iso:close()
  end)

  it("tells how a call failed", function()
    local iso = assert(isolate.new { source = source, name = "x", chunk = "x/init.lua", cpu_ms = 100 })
    local value, err, code = iso:call("fails")
    assert.is_nil(value)
    assert.equal("not today", err.message)
    assert.equal("tired", code)
    local _, raised = iso:call("raises")
    assert.equal("broken", raised.message)
    assert.same({ "x/init.lua", 5 }, { raised.where.file, raised.where.line })
    assert.equal("unknown_operation", select(3, iso:call("nothing")))
    assert.equal("timeout", select(3, iso:call("loops")))
    assert.equal("timeout", select(3, iso:call("double", { n = 1 })))
  end)

  it("is checked after close", function()
    local iso = assert(isolate.new { source = source })
    iso:close()
    iso:close()
    assert.has_error(function() iso:call("count") end)
    assert.has_error(function() iso:bytes() end)
  end)

  it("cannot be closed by its own callback", function()
    local iso
    local function module(name)
      if name ~= "late" then return nil end
      local ok = pcall(iso.close, iso)
      return ("return %s"):format(ok)
    end
    iso = assert(isolate.new { source = "return { go = function() return require 'late' end }", module = module })
    assert.is_false(iso:call("go"))
    iso:close()
  end)

  it("refuses bad options", function()
    assert.has_error(function() isolate.new {} end)
    assert.has_error(function() isolate.new { source = 1 } end)
    assert.has_error(function() isolate.evaluate { source = "", profile = "trusted" } end)
    assert.has_error(function() isolate.evaluate { source = "", cpu_ms = -1 } end)
    assert.is_nil((isolate.new { source = "return 1" }))
  end)
end)
