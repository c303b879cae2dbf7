local json = require "sy.json"
local types = require "melody.types"

--- What a check reports, as "code path text" lines.
local function check(value, schema, reference)
  local found = {}
  types.check(value, schema, {}, {
    problem = function(code, path, text) found[#found + 1] = code .. " " .. table.concat(path, ".") .. " " .. text end,
    unknown = function(path, closed)
      found[#found + 1] = (closed and "closed " or "open ") .. table.concat(path, ".")
    end,
    reference = function() return reference end,
  })
  return table.concat(found, "\n")
end

describe("a literal", function()
  local wrong = {
    { "x", { type = "integer" }, "type_mismatch  it must be an integer, it is a string" },
    { 1.5, { type = "integer" }, "type_mismatch  it must be an integer, it is a number" },
    { json.null, { type = "string" }, "type_mismatch  it must be a string, it is null" },
    { {}, { type = "string" }, "type_mismatch  it must be a string, it is a table" },
    { { 1 }, { type = "object" }, "type_mismatch  it must be an object, it is an array" },
    { 5, { minimum = 6 }, "type_mismatch  5 is less than 6" },
    { 5, { maximum = 4 }, "type_mismatch  5 is more than 4" },
    { 5, { exclusiveMinimum = 5 }, "type_mismatch  5 is not more than 5" },
    { 5, { exclusiveMaximum = 5 }, "type_mismatch  5 is not less than 5" },
    { "ab", { minLength = 3 }, 'type_mismatch  "ab" is shorter than 3 characters' },
    { "äö", { maxLength = 1 }, "type_mismatch  it is longer than 1 characters" },
    { "c", { enum = { "a", { x = 1 } } }, 'type_mismatch  "c" is none of "a", a table' },
    { 2, { const = 1 }, "type_mismatch  2 is none of 1" },
    { 1, false, "type_mismatch  nothing is allowed here" },
    { { a = { { b = 1 } } }, { properties = { a = { items = { properties = { b = { type = "string" } } } } } },
      "type_mismatch a.1.b it must be a string, it is an integer" },
    { {}, { type = "object", required = { "a" } }, "missing_param a it is missing" },
    { {}, { type = "array", minItems = 1 }, "type_mismatch  it has fewer than 1 items" },
    { { 1, 2 }, { maxItems = 1 }, "type_mismatch  it has more than 1 items" },
    { { x = 1 }, { properties = {}, additionalProperties = false }, "closed x" },
    { { x = 1 }, { properties = {} }, "open x" },
    { { x = 1 }, { additionalProperties = { type = "string" } },
      "type_mismatch x it must be a string, it is an integer" },
    { { 1, 2 }, { prefixItems = { { type = "string" } }, items = { type = "integer" } },
      "type_mismatch 1 it must be a string, it is an integer" },
    { { a = 1 }, { oneOf = { { required = { "b" } }, { properties = { a = { const = 2 } } } } },
      "type_mismatch  it fits none of the shapes that are allowed" },
    { "x", { allOf = { { minLength = 2 } } }, 'type_mismatch  "x" is shorter than 2 characters' },
  }
  for i, case in ipairs(wrong) do
    it(("is refused (%d): %s"):format(i, case[3]), function() assert.equal(case[3], check(case[1], case[2])) end)
  end

  it("is accepted where it fits", function()
    for _, case in ipairs { { 1, { type = "number" } }, { 1.0, { type = "integer" } }, { {}, { type = "array" } },
                            { {}, { type = "object" } }, { "x", { type = { "string", "null" } } }, { 1, {} },
                            { 1, true },
                            { { x = { 1 } }, { enum = { { x = { 1 } } } } }, { json.null, { type = "null" } },
                            { "a", { anyOf = { { type = "integer" }, { const = "a" } } } } } do
      assert.equal("", check(case[1], case[2]))
    end
  end)
end)

describe("a reference", function()
  it("is refused when no value of its schema can fit", function()
    assert.equal("type_mismatch a it is a string where an integer is expected",
                 check({ a = { ["$ref"] = { "x" } } }, { properties = { a = { type = "integer" } } },
                       { type = "string" }))
  end)

  it("is accepted when nothing is known, or when some value can fit", function()
    local value = { ["$ref"] = { "x" } }
    assert.equal("", check(value, { type = "integer" }, nil))
    assert.equal("", check(value, { type = "integer" }, { type = { "integer", "string" } }))
    assert.equal("", check(value, { type = "integer" }, { type = "number" }))
    assert.equal("", check(value, { type = "number" }, { type = "integer" }))
    assert.equal("", check(value, { anyOf = { { type = "string" }, {} } }, { type = "integer" }))
    assert.equal("", check(value, true, { type = "integer" }))
  end)

  it("within anyOf is tried with every branch", function()
    local schema = { anyOf = { { type = "string" }, { type = "object", properties = { a = { type = "integer" } } } } }
    assert.equal("", check({ a = { ["$ref"] = { "x" } } }, schema, { type = "integer" }))
    assert.equal("type_mismatch  it fits none of the shapes that are allowed",
                 check({ a = { ["$ref"] = { "x" } } }, schema, { type = "string" }))
  end)

  it("that is quoted is a literal", function()
    assert.equal("", check({ ["$literal"] = { ["$ref"] = 1 } }, { type = "object" }))
  end)
end)
