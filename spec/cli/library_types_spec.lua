--- The stubs of the library, of ctx and of testing name what an isolate has, each function and no other.
local gen = require "types.gen"
local isolate = require "sy.isolate"
local library = require "types.library"
local support = require "support"

local KEYS = [[
local function keys(t)
  local list = {}
  for name, value in pairs(t) do list[#list + 1] = name .. " " .. (type(value) == "function" and "function" or "field") end
  table.sort(list)
  return list
end
]]

local function named(entry)
  local list = {}
  for _, fn in ipairs(entry.functions) do list[#list + 1] = fn[1] .. " function" end
  for _, field in ipairs(entry.fields or {}) do list[#list + 1] = field[1] .. " field" end
  table.sort(list)
  return list
end

local function entry_of(name)
  for _, entry in ipairs(library) do
    if entry.module == name or entry.class == name then return entry end
  end
end

describe("the stubs for extensions", function()
  it("name each function of each module", function()
    for _, entry in ipairs(library) do
      if entry.module and entry.module ~= "testing" then
        local keys = assert(isolate.evaluate { profile = "extension", args = { entry.module },
          source = KEYS .. "return keys(require((...)))" })
        assert.same(named(entry), keys, entry.module)
      end
    end
  end)

  it("leave out no module", function()
    for _, name in ipairs { "json", "fs", "path", "http", "process", "re", "text", "schema", "time", "log", "hash", "csv",
      "toml", "diff", "template" } do
      assert.is_table(entry_of(name), name)
    end
    local guide = support.read_file(support.root .. "/docs/guide/library.md")
    for name in guide:gmatch "\n| `(%l+)`" do assert.is_table(entry_of(name), name) end
  end)

  it("name what ctx has", function()
    local made = assert(isolate.new { project = "/tmp", capabilities = { editor = { "read" } },
      source = KEYS .. "return { go = function(_, ctx) return { keys(ctx), keys(ctx.editor) } end }" })
    local seen = made:call "go"
    made:close()
    local want = {}
    for _, key in ipairs(named(entry_of "symphony.Ctx")) do
      if not key:match "^deadline" and not key:match "^idempotency_key" then want[#want + 1] = key end
    end
    assert.same(want, seen[1])
    assert.same(named(entry_of "symphony.Editor"), seen[2])
  end)

  it("name what a spec has, and a test's ctx is like the real one", function()
    local functions = {}
    for _, fn in ipairs(entry_of("testing").functions) do functions[fn[1]] = true end
    local text = support.read_file(support.root .. "/lua/testkit/testing.lua")
    for name in text:gmatch "function M%.([%a_]+)" do
      assert.is_true(functions[name], name)
      functions[name] = nil
    end
    assert.same({}, functions)
    local ctx = support.read_file(support.root .. "/lua/testkit/ctx.lua")
    for _, fn in ipairs(entry_of("symphony.Ctx").functions) do
      assert.truthy(ctx:find("function functions." .. fn[1] .. "(", 1, true), fn[1])
    end
  end)

  it("are Lua, a file for each module", function()
    local files = gen.library()
    for name, text in pairs(files) do
      assert(load(text, name, "t"))
      assert.truthy(text:find("---@meta", 1, true))
    end
    assert.truthy(files["fs.lua"]:find("function fs.read(path, options) end", 1, true))
    assert.truthy(files["ctx.lua"]:find("---@class symphony.Ctx", 1, true))
  end)
end)
