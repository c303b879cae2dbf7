local json = require "sy.json"
local schema = require "sy.schema"

local FILES = {
  type = "object", additionalProperties = false, required = {"files"},
  properties = {
    base = {type = "string", default = "HEAD"},
    files = {type = "array", items = {type = "object", properties = {path = {type = "string"}}}},
  },
}

describe("schema.check", function ()
  it("gives the value with defaults and arrays", function ()
    local value = assert(schema.check(FILES, {files = {}}))
    assert.equal('{"base":"HEAD","files":[]}', json.encode(value))
  end)

  it("says what is wrong, with code and path", function ()
    local value, message, code, path = schema.check(FILES, {files = {{path = "a"}, {}, {path = 7}}})
    assert.is_nil(value)
    assert.equal("`files[3].path`: expected a string, got the number 7", message)
    assert.equal("type_mismatch", code)
    assert.equal("files[3].path", path)
    assert.same({nil, "`fiels`: unknown field; did you mean `files`?", "unknown_field", "fiels"},
      {schema.check(FILES, {fiels = {}})})
    assert.same({nil, "`files`: required, but not given", "missing_param", "files"}, {schema.check(FILES, {})})
  end)

  it("refuses a bad schema", function ()
    assert.same({nil, "schema: unknown keyword `tipe`; did you mean `type`?", "manifest_invalid"},
      {schema.check({tipe = "string"}, 1)})
  end)

  it("refuses what cannot be a value", function ()
    local value, message, code = schema.check({}, {print})
    assert.is_nil(value)
    assert.equal("`[1]` is a function, which cannot be a value", message)
    assert.equal("invalid_value", code)
  end)
end)

describe("schema.compile", function ()
  it("makes a checker that can be used again", function ()
    local checker = assert(schema.compile(FILES))
    assert.is_truthy(checker:check {files = {}})
    assert.is_nil((checker:check {}))
    assert.is_truthy(schema.check(checker, {files = {}}))
    assert.is_false(getmetatable(checker))
  end)

  it("says where a schema is wrong", function ()
    local checker, message = schema.compile {properties = {a = {type = "text"}}}
    assert.is_nil(checker)
    assert.matches("schema `properties.a.type`: a type is one of", message, 1, true)
  end)
end)
