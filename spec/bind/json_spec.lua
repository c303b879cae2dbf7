local json = require "sy.json"

describe("json.encode", function ()
  it("writes what JSON can say", function ()
    assert.equal("null", json.encode(json.null))
    assert.equal("null", json.encode(nil))
    assert.equal("true", json.encode(true))
    assert.equal("-9223372036854775808", json.encode(math.mininteger))
    assert.equal("9007199254740993", json.encode(9007199254740993))
    assert.equal("0.1", json.encode(0.1))
    assert.equal("1.0", json.encode(1.0))
    assert.equal("1e+300", json.encode(1e300))
    assert.equal("null", json.encode(0 / 0))
    assert.equal([["a\"b\\c\n\u0001é"]], json.encode "a\"b\\c\n\1é")
  end)

  it("keeps empty arrays and empty objects apart", function ()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array {}))
    assert.equal('{"a":[],"b":{}}', json.encode {a = json.array {}, b = {}})
  end)

  it("sorts keys, whatever their number", function ()
    assert.equal('{"A":1,"a":2,"ab":3,"b":4}', json.encode {b = 4, ab = 3, a = 2, A = 1})
    local t, want = {}, {}
    for i = 1, 200 do
      t[("k%03d"):format(i)] = i
      want[i] = ('"k%03d":%d'):format(i, i)
    end
    assert.equal("{" .. table.concat(want, ",") .. "}", json.encode(t))
  end)

  it("indents", function ()
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}',
      json.encode({a = {1, {}}, b = json.array {}}, {pretty = true}))
  end)

  it("keeps bytes that are not UTF-8, or replaces them", function ()
    assert.equal('{"$bytes":"/w=="}', json.encode "\255")
    assert.equal('{"$bytes":"YWL/"}', json.encode "ab\255")
    assert.equal('"a\u{FFFD}b"', json.encode("a\255b", {lossy = true}))
    assert.equal('{"\u{FFFD}":1}', json.encode {["\255"] = 1})
  end)

  it("runs no metamethod", function ()
    local t = setmetatable({1, 2}, {__index = error, __len = error, __pairs = error})
    assert.equal("[1,2]", json.encode(t))
  end)

  it("raises, naming the place, for what JSON cannot say", function ()
    assert.error_matches(function () json.encode {files = {{}, {path = print}}} end,
      "`files%[2%].path` is a function")
    assert.error_matches(function () json.encode {1, nil, 3} end, "without holes")
    assert.error_matches(function () json.encode {1, a = 2} end, "without holes")
    assert.error_matches(function () json.encode {[1.5] = 2} end, "without holes")
    assert.error_matches(function () json.encode {a = 1, [true] = 2} end, "without holes")
    assert.error_matches(function () json.encode(io.stdout) end, "the value is a userdata")
    local t = {}
    t.t = t
    assert.error_matches(function () json.encode(t) end, "nested too deeply, or contains itself")
  end)
end)

describe("json.decode", function ()
  local function refuses(text, message)
    local value, why, code = json.decode(text)
    assert.is_nil(value)
    assert.equal(message, why)
    assert.equal("invalid_value", code)
  end

  it("reads what encode writes", function ()
    for _, text in ipairs {"null", "[]", "{}", "[[],{}]", "9007199254740993", "-9223372036854775808", "1.0", "0.1",
      [["a\"b\\c\n\u0001é"]], '{"a":[1,2,{"b":null}]}', "false", '""'} do
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("keeps integers of 64 bits and makes larger ones doubles", function ()
    assert.equal("integer", math.type(json.decode "9223372036854775807"))
    assert.equal("float", math.type(json.decode "9223372036854775808"))
    assert.equal("float", math.type(json.decode "1e2"))
    assert.equal(-5, json.decode " -5 ")
    assert.equal(1.7976931348623157e308, json.decode "1.7976931348623157e308")
    assert.equal(100, #tostring(json.decode('"' .. ("x"):rep(100) .. '"')))
    assert.is_true(json.decode(("1"):rep(100)) > 1e98)
  end)

  it("reads escapes and pairs of surrogates", function ()
    assert.equal("/\b\f\n\r\t\\\"\0é€😀", json.decode [["\/\b\f\n\r\t\\\"\u0000\u00e9\u20AC\ud83d\ude00"]])
  end)

  it("marks arrays", function ()
    assert.is_true(json.is_array(json.decode "[]"))
    assert.is_true(json.is_array(json.decode "[1]"))
    assert.is_false(json.is_array(json.decode "{}"))
    assert.is_false(json.is_array "x")
  end)

  it("refuses, with line and column, what is not JSON", function ()
    refuses("", "line 1, column 1: a value is expected")
    refuses('{"a":1,\n  "a":2}', "line 2, column 3: a key that was there before")
    refuses("[1,]", "line 1, column 4: a value is expected")
    refuses("[1 2]", "line 1, column 4: a `,` or `]` is expected")
    refuses("{1:2}", "line 1, column 2: a key in quotes is expected")
    refuses('{"a" 1}', "line 1, column 6: a `:` is expected")
    refuses('{"a":1', "line 1, column 7: a `,` or `}` is expected")
    refuses("nul", "line 1, column 1: a value is expected")
    refuses("01", "line 1, column 2: something behind the value")
    refuses("-", "line 1, column 2: a digit is expected")
    refuses("1.", "line 1, column 3: a digit is expected")
    refuses("1e+", "line 1, column 4: a digit is expected")
    refuses('"a', "line 1, column 1: a string without its end")
    refuses('"a\\', "line 1, column 1: a string without its end")
    refuses('"\\x"', "line 1, column 2: an escape that JSON does not have")
    refuses('"\\ud800"', "line 1, column 2: an escape that JSON does not have")
    refuses('"\\udc00"', "line 1, column 2: an escape that JSON does not have")
    refuses('"\\u12"', "line 1, column 2: an escape that JSON does not have")
    refuses('"a\nb"', "line 1, column 3: a control character in a string")
    refuses('"\255"', "line 1, column 1: a string that is not UTF-8")
    refuses('"é" x', "line 1, column 5: something behind the value")
    refuses(("["):rep(200), "line 1, column 129: nested too deeply")
  end)
end)

describe("json.array", function ()
  it("marks a table, once and for all", function ()
    local t = json.array {}
    assert.equal(t, json.array(t))
    assert.equal("[]", json.encode(t))
    assert.is_false(getmetatable(t))
  end)

  it("refuses a table with a metatable of its own", function ()
    assert.error_matches(function () json.array(setmetatable({}, {})) end, "without a metatable")
    assert.error_matches(function () json.array(1) end, "table expected")
  end)
end)
