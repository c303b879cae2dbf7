local json = require "sy.json"
local params = require "cli.params"
local support = require "support"

describe("a text read by a schema's type", function()
  local function read(text, schema) return (params.read(text, schema)) end

  it("stays a text where the schema says string, whatever it looks like", function()
    assert.equal("42", read("42", { type = "string" }))
    assert.equal("[1]", read("[1]", { type = "string" }))
  end)

  it("becomes a number, a boolean, a list or an object", function()
    assert.equal(42, read("42", { type = "integer" }))
    assert.equal(1.5, read("1.5", { type = "number" }))
    assert.is_true(read("yes", { type = "boolean" }))
    assert.same({ "a", "b" }, read("a,b", { type = "array", items = { type = "string" } }))
    assert.same({ x = 1 }, read('{"x":1}', { type = "object" }))
  end)

  it("is JSON without a type, else the text", function()
    assert.equal(3, read "3")
    assert.equal("main", read "main")
    assert.equal(json.null, read "null")
  end)

  it("says so when it is not of the type", function()
    assert.is_false(select(2, params.read("many", { type = "integer" })))
  end)
end)

describe("parameters", function()
  it("come from a file, and -p wins over it", function()
    local file = support.tmpdir() .. "/p.json"
    support.write_file(file, '{"base":"main","depth":2}')
    local values, typed = params.collect { params = file, param = { "base=dev" } }
    assert.same({ base = "dev", depth = 2 }, values)
    assert.same({ base = true }, typed)
  end)

  it("refuse what is no key=value", function()
    local values, _, why = params.collect { param = { "nonsense" } }
    assert.is_nil(values)
    assert.equal("usage", why.code)
  end)

  it("refuse a file that is missing or no object", function()
    local _, _, why = params.collect { params = "/nonexistent.json" }
    assert.equal("not_found", why.code)
    local file = support.tmpdir() .. "/p.json"
    support.write_file(file, "[1]")
    local values, _, other = params.collect { params = file }
    assert.is_nil(values)
    assert.equal("usage", other.code)
  end)
end)
