local csv = require "csv"

describe("csv.decode", function ()
  it("reads rows whatever their line ends", function ()
    local want = {{"a", "b"}, {"1", "2"}}
    for _, text in ipairs {"a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\r1,2\r", "a,b\n1,2"} do
      assert.same(want, csv.decode(text))
    end
    assert.same({}, csv.decode "")
    assert.same({{""}, {"", ""}}, csv.decode "\n,\n")
  end)

  it("reads quotes", function ()
    assert.same({{'a,"b"\r\nc', "d", ""}}, csv.decode '"a,""b""\r\nc",d,""\n')
  end)

  it("makes tables by name", function ()
    assert.same({{x = "1", y = "2"}}, csv.decode("x;y\n1;2\n", {header = true, separator = ";"}))
  end)

  it("says which row is wrong", function ()
    for text, message in pairs {['a\n"b'] = "row 2: a quote is not closed", ['a"b'] = "row 1: a quote inside of a field without quotes",
      ['"a"b'] = "row 1: something behind a closing quote"} do
      local rows, why, code = csv.decode(text)
      assert.is_nil(rows)
      assert.equal(message, why)
      assert.equal("invalid_value", code)
    end
    assert.same({nil, "row 3: 1 fields where the header has 2", "invalid_value"},
      {csv.decode("a,b\n1,2\n3\n", {header = true})})
    assert.error_matches(function () csv.decode("", {separator = "ab"}) end, "one byte")
  end)
end)

describe("csv.reader", function ()
  it("gives the same rows however the text is cut", function ()
    local text = 'a,"b ""x""\r\n"\r\n1,2\r\n"",é\n'
    local want = csv.decode(text)
    for size = 1, #text do
      local reader, rows = csv.reader(), {}
      local function take(list) for _, row in ipairs(list) do rows[#rows + 1] = row end end
      for at = 1, #text, size do take(assert(reader:feed(text:sub(at, at + size - 1)))) end
      take(assert(reader:finish()))
      assert.same(want, rows)
    end
  end)

  it("stays failed", function ()
    local reader = csv.reader()
    assert.is_nil((reader:feed 'a"b\n'))
    assert.is_nil((reader:feed "c\n"))
    assert.is_nil((reader:finish()))
  end)
end)

describe("csv.encode", function ()
  it("writes what decode reads", function ()
    local rows = {{"a", 'b"c', "d,e"}, {" x", "line\nend", ""}, {""}, {"1", "2", "3"}}
    assert.same(rows, csv.decode(csv.encode(rows)))
    assert.equal('a;"b;c"\r\n', csv.encode({{"a", "b;c"}}, {separator = ";"}))
  end)

  it("writes tables by name", function ()
    assert.equal("x,y\r\n1,\r\n", csv.encode({{x = 1}}, {names = {"x", "y"}}))
  end)
end)
