local json = require "sy.json"
local toml = require "sy.toml"

describe("toml.decode", function ()
  it("reads a manifest, and the line of every key", function ()
    local value, lines = toml.decode [=[
[extension]
name = "git"
version = "0.1.0"

[operation.diff]
idempotent = true
estimate = { usd = 0, tokens = 1.5 }

[capabilities]
fs.read = ["$PROJECT/**"]
net = []

[[contributes.on]]
event = "a"
[[contributes.on]]
event = "b"
]=]
    assert.equal('{"capabilities":{"fs":{"read":["$PROJECT/**"]},"net":[]},"contributes":{"on":[{"event":"a"},' ..
      '{"event":"b"}]},"extension":{"name":"git","version":"0.1.0"},"operation":{"diff":{"estimate":' ..
      '{"tokens":1.5,"usd":0},"idempotent":true}}}', json.encode(value))
    assert.equal(2, lines["extension.name"])
    assert.equal(7, lines["operation.diff.estimate.tokens"])
    assert.equal(10, lines["capabilities.fs.read"])
    assert.equal(10, lines["capabilities.fs.read[1]"])
    assert.equal(16, lines["contributes.on[2].event"])
  end)

  it("keeps 64 bits, and writes dates as ISO text", function ()
    local value = toml.decode [[
a = 9223372036854775807
b = 1979-05-27T07:32:00Z
c = 1979-05-27
d = 07:32:00
e = 1e3
f = inf]]
    assert.equal(math.maxinteger, value.a)
    assert.equal("1979-05-27T07:32:00Z", value.b)
    assert.equal("1979-05-27", value.c)
    assert.equal("07:32:00", value.d)
    assert.equal(1000.0, value.e)
    assert.equal(math.huge, value.f)
    assert.same({}, toml.decode "")
  end)

  it("says line and column of a mistake", function ()
    for text, line in pairs {["a = 1\nb = \n"] = 2, ["a = 1\na = 2"] = 2, ["[x\n"] = 1, ["x = \"abc"] = 1, ["= 1"] = 1,
      ["a = 9223372036854775808"] = 1, ["a = '\255'"] = 1} do
      local value, err = toml.decode(text)
      assert.is_nil(value)
      assert.equal("manifest_invalid", err.code)
      assert.equal(line, err.where.line)
      assert.matches("^line " .. line .. ", column %d+: .", err.message)
    end
  end)

  it("refuses nesting without measure", function ()
    local _, err = toml.decode("\n" .. ("a."):rep(100000) .. "a = 1")
    assert.equal(2, err.where.line)
    assert.matches("a key of more than 16 names", err.message)
    assert.is_nil((toml.decode(('"a,b" . '):rep(1000) .. "a = 1")))
    assert.is_nil((toml.decode("a = " .. ("["):rep(10000))))
    assert.is_nil((toml.decode("a = " .. ("{b="):rep(10000))))
    assert.is_nil((toml.decode(("x"):rep(2 << 20))))
  end)

  it("does not take dots in text for keys", function ()
    local dots = ("a."):rep(50)
    local value = toml.decode('a = "' .. dots .. '"\n# ' .. dots .. "\nb = '''\n" .. dots ..
      "'''\nc = \"\"\"\\\"" .. dots .. '"""')
    assert.equal(dots, value.a)
    assert.equal(dots, value.b)
    assert.equal('"' .. dots, value.c)
  end)

  it("survives a key that looks like a path", function ()
    local value, lines = toml.decode '"a.b" = 1\n[a]\nb = 2'
    assert.equal(1, value["a.b"])
    assert.equal(2, value.a.b)
    assert.is_number(lines["a.b"])
  end)
end)
