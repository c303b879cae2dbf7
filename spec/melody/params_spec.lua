local definition_of = require "melody.definition"
local json = require "sy.json"
local params = require "melody.params"

local definition = definition_of.normalise({
  format = 1, name = "review", tasks = { { key = "a", operation = "x.y" } },
  params = {
    base = { type = "string", default = "HEAD" }, count = { type = "integer", required = false },
    mode = { enum = { "a", "b" }, default = "a" }, target = { type = "string", line = 4 },
  },
}, "melodies/review.lua")

local function refused(given, options)
  local values, problems = params.bind(definition, given, options)
  assert.is_nil(values)
  assert.equal(1, #problems)
  return problems[1]
end

describe("the parameters of a run", function()
  it("refuse a name that is not declared", function()
    local p = refused { target = "x", bas = "y" }
    assert.equal("unknown_param", p.code)
    assert.equal("review has no parameter `bas`", p.message)
    assert.equal("did you mean `base`?", p.note)
    assert.equal("it has: base, count, mode, target", p.hint)
  end)

  it("refuse to start without a required one", function()
    local p = refused {}
    assert.equal("missing_param", p.code)
    assert.equal("review needs the parameter `target`", p.message)
    assert.equal("symphony run review -p target=…", p.hint)
    assert.equal(4, p.where.line)
  end)

  it("refuse a wrong type", function()
    local p = refused { target = 5 }
    assert.equal("type_mismatch", p.code)
    assert.equal("the parameter `target`: it must be a string, it is an integer", p.message)
  end)

  it("refuse what is not among the allowed values", function()
    assert.truthy(refused({ target = "x", mode = "c" }).message:find('"c" is none of "a", "b"', 1, true))
  end)

  it("refuse text that is no value of the declared type", function()
    local p = refused({ target = "x", count = "many" }, { text = true })
    assert.equal('the parameter `count` must be an integer, it is "many"', p.message)
  end)

  it("take their defaults", function()
    local values = params.bind(definition, { target = "x" })
    assert.same({ base = "HEAD", count = json.null, mode = "a", target = "x" }, values)
  end)

  it("read text by the declared type", function()
    local values = params.bind(definition, { target = "5", count = "5" }, { text = true })
    assert.equal("5", values.target)
    assert.equal(5, values.count)
  end)
end)

describe("params.from_text", function()
  it("knows every type", function()
    assert.equal(1.5, params.from_text({ type = "number" }, "1.5"))
    assert.equal(false, params.from_text({ type = "boolean" }, "no"))
    assert.equal(true, params.from_text({ type = "boolean" }, "true"))
    assert.is_nil(params.from_text({ type = "boolean" }, "maybe"))
    assert.is_nil(params.from_text({ type = "integer" }, "1.5"))
    assert.same({ 1, "a" }, params.from_text({ type = "array" }, '[1,"a"]'))
    assert.same({ a = 1 }, params.from_text({ type = "object" }, '{"a":1}'))
    assert.equal("[1", params.from_text({ type = "any" }, "[1"))
  end)
end)
