local re = require "sy.re"

local function compiled(pattern, flags) return assert(re.compile(pattern, flags)) end

describe("re.compile", function ()
  it("says where a pattern is wrong", function ()
    local regex, message, code = re.compile "a(b"
    assert.is_nil(regex)
    assert.equal("regular expression, character 4: missing closing parenthesis", message)
    assert.equal("invalid_value", code)
  end)

  it("refuses flags that do not exist", function ()
    assert.error_matches(function () re.compile("a", "q") end, "flags are made of")
  end)

  it("refuses a pattern without measure", function ()
    local regex, message = re.compile(("a"):rep(20000))
    assert.is_nil(regex)
    assert.matches("16 KiB", message)
    assert.is_nil((re.compile "((a{1,1000}){1,1000}){1,1000}"))
  end)

  it("knows flags", function ()
    assert.is_true(compiled("ABC", "i"):test "xabc")
    assert.is_true(compiled("^b", "m"):test "a\nb")
    assert.is_true(compiled("a.b", "s"):test "a\nb")
    assert.is_true(compiled("a b # both", "x"):test "ab")
    assert.is_true(compiled("^\\w$", "u"):test "é")
    assert.is_false(compiled("^\\w$"):test "é")
    assert.is_true(compiled("^..$", "b"):test "é")
  end)
end)

describe("a regex", function ()
  it("matches as string.match does", function ()
    assert.equal("b2", compiled("[a-z]\\d"):match "a-b2")
    assert.same({"k", "v"}, {compiled("(\\w)=(\\w)"):match "k=v"})
    assert.same({false, "b"}, {compiled("(a)?(b)"):match "b"})
    assert.is_nil(compiled("x"):match "abc")
    assert.equal("c", compiled("[a-z]"):match("abc", 3))
    assert.equal("c", compiled("[a-z]"):match("abc", -1))
    assert.is_nil(compiled("a"):match("abc", 5))
  end)

  it("finds positions in bytes", function ()
    assert.same({3, 3}, {compiled("x"):find "éx"})
    assert.same({1, 2, "b"}, {compiled("a(b)"):find "ab"})
    assert.is_nil((compiled("x"):find "ab"))
  end)

  it("gives names and places", function ()
    local m = compiled("(?<key>\\w+)=(?<value>\\w+)(!)?"):exec "  size=12"
    assert.equal(3, m.first)
    assert.equal(9, m.last)
    assert.equal("size=12", m[0])
    assert.equal("size", m[1])
    assert.is_false(m[3])
    assert.same({key = "size", value = "12"}, m.names)
    assert.same({{3, 6}, {8, 9}}, m.at)
  end)

  it("goes through all matches, empty ones too", function ()
    local function all(pattern, text)
      local list = {}
      for whole in compiled(pattern):gmatch(text) do list[#list + 1] = whole end
      return list
    end
    assert.same({"a", "b", "c"}, all("[a-z]", "a1b2c"))
    assert.same({"aa", ""}, all("a*", "aab"))
    assert.same({"", "", ""}, all("x*", "é!"))
    assert.same({"é", "é"}, all("é", "éé"))
    assert.same({}, all("x", ""))
  end)

  it("replaces", function ()
    local r = compiled "(?<k>\\w)=(\\w)"
    assert.same({"v=k, b=a", 2}, {r:gsub("k=v, a=b", "%2=%{k}")})
    assert.same({"[k=v] 100%", 1}, {r:gsub("k=v 100%", "[%0]")})
    assert.same({"%", 1}, {r:gsub("k=v", "%%")})
    assert.same({"v, a=b", 1}, {r:gsub("k=v, a=b", "%2", 1)})
    assert.same({"K=v a=b", 2}, {r:gsub("k=v a=b", function (k, v) return k == "k" and "K=" .. v or nil end)})
    assert.same({"one a=b", 2}, {r:gsub("k=v a=b", {k = "one"})})
    assert.same({"-b-c-", 3}, {compiled("a*"):gsub("abc", "-")})
  end)

  it("refuses a bad replacement", function ()
    local r = compiled "(a)"
    assert.error_matches(function () r:gsub("a", "%2") end, "a capture that does not exist")
    assert.error_matches(function () r:gsub("a", "%q") end, "a capture that does not exist")
    assert.error_matches(function () r:gsub("a", "%{none}") end, "a capture that does not exist")
    assert.error_matches(function () r:gsub("a", "%") end, "a capture that does not exist")
    assert.error_matches(function () r:gsub("a", function () return {} end) end, "invalid replacement value")
    assert.error_matches(function () r:gsub("a", true) end, "string, table or function expected")
  end)

  it("may be used inside of its own replacement", function ()
    local r = compiled "\\d+"
    assert.equal("<<1>> <<22>>", (r:gsub("1 22", function (n) return (r:gsub(n, "<<%0>>")) end)))
  end)

  it("does not fail on bytes that are not UTF-8", function ()
    assert.same({2, 4}, {compiled("b.d"):find "\255bcd\255"})
    assert.is_nil((compiled("b.d"):find "b\255d"))
    assert.same({1, 3}, {compiled("b.d", "b"):find "b\255d"})
    assert.is_true(compiled("é"):test "\255é")
  end)

  it("gives up on a pattern that explodes", function ()
    assert.error_matches(function () compiled("^(a+)+$"):test(("a"):rep(40) .. "b") end, "too many steps")
  end)

  it("is checked", function ()
    assert.error_matches(function () compiled("a").match("a", "a") end, "regex expected")
    assert.is_false(getmetatable(compiled "a"))
  end)
end)

describe("re.escape", function ()
  it("makes a pattern that matches the text alone", function ()
    local text = "a.b*c(d)[e]{f}^$|\\?+-/#\n\0é \t"
    assert.is_true(compiled("\\A" .. re.escape(text) .. "\\z"):test(text))
    assert.is_true(compiled("\\A" .. re.escape(text) .. "\\z", "x"):test(text))
  end)
end)
