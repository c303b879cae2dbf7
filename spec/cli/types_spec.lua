local api = require "types.api"
local core = require "sy.core"
local gen = require "types.gen"
local support = require "support"

describe("the stubs of what C offers", function()
  it("name each function of each module, and no other", function()
    for _, entry in ipairs(api) do
      if entry.module then
        local there, named = require(entry.module), {}
        for _, fn in ipairs(entry.functions) do
          named[fn[1]] = true
          assert.is_function(there[fn[1]], entry.module .. "." .. fn[1])
        end
        for name, value in pairs(there) do
          if type(value) == "function" then assert.is_true(named[name], entry.module .. "." .. name) end
        end
      end
    end
  end)

  it("name each module that trusted Lua can require", function()
    local named = {}
    for _, entry in ipairs(api) do named[entry.module or ""] = true end
    for name in pairs(package.preload) do
      if name:match "^sy%." and type(require(name)) == "table" and next(require(name)) then assert.is_true(named[name], name) end
    end
  end)

  it("name each method of a host", function()
    local host = assert(core.open { project = support.tmpdir() })
    local methods = getmetatable(host).__index
    for _, entry in ipairs(api) do
      if entry.class == "sy.Host" then
        local named = {}
        for _, fn in ipairs(entry.functions) do
          named[fn[1]] = true
          assert.is_function(methods[fn[1]], fn[1])
        end
        for name in pairs(methods) do
          if not name:match "^__" then assert.is_true(named[name], name) end
        end
      end
    end
    host:close()
  end)

  it("are generated from the table", function()
    local path = support.root .. "/lua/types/sy.lua"
    if os.getenv "SYMPHONY_UPDATE" then support.write_file(path, gen.text()) end
    assert.equal(gen.text(), support.read_file(path))
  end)
end)
