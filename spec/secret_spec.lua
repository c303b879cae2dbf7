--- Secrets by reference: kept, used, refused, rotated; and what comes back is without them.
local echo = require "support.echo"
local json = require "sy.json"
local keys = require "keys"
local support = require "support"

local VALUE = keys.VALUE
local dir, server, other, url

setup(function()
  server, other = echo.start(), echo.start()
  dir = keys.project { server:port(), other:port() }
  url = ("http://127.0.0.1:%d"):format(server:port())
  assert(keys.set("canary", VALUE .. "\n").code == 0)
end)

teardown(function()
  server:stop()
  other:stop()
end)

local function call(operation, input, code, where)
  local r = support.symphony({ "call", "--json", "keys." .. operation, json.encode(input) }, { cwd = where or dir })
  assert.equal(code or 0, r.code, r.out .. r.err)
  for _, form in ipairs(keys.forms(VALUE)) do
    assert.is_nil((r.out .. r.err):find(form, 1, true), "the value came back as " .. form)
  end
  local doc = json.decode(r.out)
  return doc.error or doc
end

describe("a secret in a header", function()
  it("reaches the server and comes back as its name", function()
    local got = call("get", { url = url .. "/echo" })
    assert.truthy(server:last():find("Authorization: Bearer " .. VALUE .. "\r\n", 1, true))
    assert.truthy(server:last():find("X-Key: " .. VALUE .. "\r\n", 1, true))
    assert.truthy(got.body:find("Authorization: Bearer [secret:canary]\r\n", 1, true), got.body)
    assert.equal("Bearer [secret:canary]", got.word)
  end)

  it("is found across pieces of one byte, streamed or collected", function()
    for _, more in ipairs { { pieces = true }, { stream = true, pieces = true }, { x = 1 } } do
      more.url = url .. "/slow"
      local got = call("get", more)
      assert.truthy(got.body:find("X-Key: [secret:canary]\r\n", 1, true), got.body)
    end
  end)

  it("is found in base64 wherever it begins", function()
    for _, body in ipairs { "", "a", "ab", "abc" } do
      local got = call("get", { url = url .. "/base64", body = body .. VALUE:reverse() })
      local _, count = got.body:gsub("%[secret:canary%]", "")
      assert.equal(2, count, got.body)
    end
  end)

  it("is kept out of what the HTTP library says", function()
    local why = call("get", { url = url .. "/bad" }, 1)
    assert.equal("io_error", why.code)
  end)

  it("is not sent where a redirect leads, under no name of a header", function()
    call("get", { url = ("%s/to/http://127.0.0.1:%d/echo"):format(url, other:port()) })
    assert.equal(1, other:count())
    assert.is_nil(other:last():find(VALUE, 1, true))
    assert.is_nil(other:last():lower():find("authorization", 1, true))
    call("get", { url = url .. "/to//echo" })
    assert.truthy(server:last():find("GET /echo", 1, true))
    assert.truthy(server:last():find(VALUE, 1, true), "the same origin still gets it")
  end)

  it("works the same in a process of its own", function()
    support.write_file(dir .. "/melodies/apart.lua", ([[
local melody = require "melody"
local m = melody "apart"
local got = m:task("got", "keys.get", { url = "%s/slow", pieces = true }, { isolation = "process" })
local run = m:task("run", "keys.child", { script = "echo $TOKEN" }, { isolation = "process", after = { got } })
m:output("body", got.body)
m:output("out", run.out)
return m
]]):format(url))
    local r = support.symphony({ "run", "apart", "--json" }, { cwd = dir })
    assert.equal(0, r.code, r.out .. r.err)
    local outputs = json.decode(r.out).outputs
    assert.truthy(server:last():find("X-Key: " .. VALUE, 1, true))
    assert.truthy(outputs.body:find("X-Key: [secret:canary]", 1, true))
    assert.equal("[secret:canary]\n", outputs.out)
  end)
end)

describe("a secret in the environment of a child", function()
  it("is there, and comes back as its name from both streams", function()
    local got = call("child", { script = 'test "${#TOKEN}" = ' .. #VALUE .. ' && printf %s "$TOKEN" && env >&2' })
    assert.equal("[secret:canary]", got.out)
    assert.truthy(got.err:find("PAIR=user:[secret:canary]\n", 1, true), got.err)
    assert.equal(0, got.code)
  end)

  it("is kept out of a failure's words, and of text that is cut anywhere", function()
    local why = call("child", { script = 'echo "no: $TOKEN" >&2; exit 3', check = true }, 1)
    assert.equal("process_failed", why.code)
    assert.truthy(why.message:find("no: [secret:canary]", 1, true), why.message)
    local got = call("child", { script = 'v=$TOKEN; while [ "$v" ]; do printf %.1s "$v"; v=${v#?}; done' })
    assert.equal("[secret:canary]", got.out)
  end)

  it("is kept out of what a file says that an earlier child wrote", function()
    call("child", { script = 'printf %s "$TOKEN" >kept/by-the-child' })
    assert.equal(VALUE, support.read_file(dir .. "/kept/by-the-child"), "that was the child's own doing")
    assert.equal("[secret:canary]", call("child", { script = "cat kept/by-the-child" }).out)
  end)

  it("is no argument", function()
    assert.truthy(call("wrong", { how = "argv" }).why:find("no argument can be a secret", 1, true))
  end)
end)

describe("a secret is refused", function()
  it("when it is not granted, naming the line", function()
    local why = call("get", { url = url .. "/echo", name = "another" }, 3)
    assert.equal("permission_denied", why.code)
    assert.truthy((why.message .. tostring(why.hint)):find('secrets = ["another"]', 1, true), why.message)
  end)

  it("when it is not set, naming the command", function()
    local why = call("get", { url = url .. "/echo", name = "other" }, 4)
    assert.equal("not_found", why.code)
    assert.truthy((why.message .. tostring(why.hint)):find("symphony secret set other", 1, true), why.message)
  end)

  it("where it would go unencrypted to another machine", function()
    local why = call("get", { url = "http://192.0.2.1/" }, 3)
    assert.equal("permission_denied", why.code)
    assert.truthy(why.message:find("unencrypted", 1, true), why.message)
  end)

  it("when its file or folder is not safe", function()
    local data = os.getenv "XDG_DATA_HOME" .. "/symphony/secrets"
    for _, case in ipairs { { "canary", "644", "600" }, { "", "777", "700" } } do
      local path = data .. "/" .. case[1]
      support.sh(("chmod %s '%s'"):format(case[2], path))
      local why = call("get", { url = url .. "/echo" }, 3)
      support.sh(("chmod %s '%s'"):format(case[3], path))
      assert.equal("permission_denied", why.code)
    end
  end)

  it("in a reference with other fields, and in a prefix that makes another header", function()
    assert.truthy(call("wrong", { how = "field", url = url }).why:find("{ secret = NAME, prefix = TEXT }", 1, true))
    local why = call("wrong", { how = "prefix", url = url .. "/echo" }, 2)
    assert.truthy(why.message:find("control character", 1, true), why.message)
  end)
end)

describe("symphony secret", function()
  it("takes a new value at the next call, and keeps the old one out, too", function()
    keys.set("canary", "another-value-1234")
    call("get", { url = url .. "/echo" })
    assert.truthy(server:last():find("Bearer another-value-1234", 1, true))
    keys.set("canary", VALUE)
    call("get", { url = url .. "/echo" })
    assert.truthy(server:last():find(VALUE, 1, true))
  end)

  it("lists names and who asks, never values", function()
    local r = support.symphony({ "secret", "ls", "--json" }, { cwd = dir })
    assert.is_nil(r.out:find(VALUE, 1, true))
    local list = json.decode(r.out).secrets
    assert.equal("canary", list[1].name)
    assert.equal("file", list[1].place)
    assert.same({ "keys" }, list[1].extensions)
    assert.same({ "other", false }, { list[2].name, list[2].set })
  end)

  it("refuses a name that is a path, a value too short, too long or with a NUL", function()
    for name, value in pairs { ["../x"] = "long enough", short = "1234567", long = ("x"):rep(33000),
      zero = "with a \0 in it" } do
      local r = keys.set(name, value)
      assert.equal(2, r.code, name .. r.out .. r.err)
    end
  end)

  it("reads a terminal without showing what is typed", function()
    local c = support.start_symphony({ "secret", "set", "typed" }, { pty = true, cwd = dir })
    support.wait_until(function() return c:out():find("Value of typed", 1, true) end)
    c:write("typed-in-value\n")
    local r = c:wait(30)
    assert.equal(0, r.code, r.out)
    assert.is_nil(r.out:find("typed-in-value", 1, true))
    local kept = os.getenv "XDG_DATA_HOME" .. "/symphony/secrets/typed"
    assert.truthy(support.read_file(kept):find("\ntyped-in-value", 1, true))
    assert.equal("600 700\n", support.sh(("stat -c %%a '%s' '%s' | xargs"):format(kept, kept:gsub("/typed$", ""))))
    assert.equal(0, support.symphony({ "secret", "rm", "typed" }).code)
    assert.equal(4, support.symphony({ "secret", "rm", "typed" }).code)
    assert.is_false(support.exists(kept))
  end)

  it("gives the terminal back when it is interrupted", function()
    local c = support.start_symphony({ "secret", "set", "typed" }, { pty = true, cwd = dir })
    support.wait_until(function() return c:out():find("Value of typed", 1, true) end)
    c:kill("TERM")
    local r = c:wait(30)
    assert.truthy(r and r.code and r.code ~= 0)
    assert.truthy(r.out:find("no value was given", 1, true), r.out)
    assert.is_false(support.exists(os.getenv "XDG_DATA_HOME" .. "/symphony/secrets/typed"))
  end)

  it("keeps every value when many set at once", function()
    local all = {}
    for i = 1, 8 do
      all[i] = support.start({ "sh", "-c", ('printf many-value-%d | "$0" secret set many.%d'):format(i, i % 4),
        support.bin })
    end
    for _, c in ipairs(all) do assert.equal(0, c:wait(60).code) end
    for i = 0, 3 do
      local text = support.read_file(os.getenv "XDG_DATA_HOME" .. "/symphony/secrets/many." .. i)
      local n = tonumber(text:match "\nmany%-value%-(%d)$")
      assert.equal(i, n % 4)
    end
  end)
end)

describe("the desktop's keyring", function()
  local SCRIPT = [[
mkdir -m 700 -p "$XDG_RUNTIME_DIR"
printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null
s=$1; cd "$2"
printf %s "$VALUE" | "$s" secret set canary --stdin --json
"$s" secret ls --json
"$s" doctor --json | grep -o "kept in the desktop's keyring"
"$s" call --json keys.get "{\"url\":\"$URL/echo\"}"
printf %s "$VALUE" | "$s" secret set canary --in file --json
"$s" secret set canary --in keyring --file "$2/value" --json
"$s" secret rm canary --json
"$s" call --json keys.get "{\"url\":\"$URL/echo\"}"
exit 0
]]

  it("keeps values where one is open", function()
    local folder = support.tmpdir()
    local env = { XDG_RUNTIME_DIR = folder .. "/run", XDG_DATA_HOME = folder .. "/data", VALUE = VALUE, URL = url }
    assert.equal(0, support.symphony({ "trust" }, { cwd = dir, env = env }).code)
    support.write_file(dir .. "/value", "a value out of a file\n")
    local r = support.run({ "dbus-run-session", "--", "sh", "-c", SCRIPT, "sh", support.bin, dir },
      { cwd = dir, env = env, timeout_s = 120 })
    assert.equal(0, r.code, r.out .. r.err)
    local lines = {}
    for line in r.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal("keyring", json.decode(lines[1]).place, r.out .. r.err)
    assert.equal("keyring", json.decode(lines[2]).secrets[1].place)
    assert.equal("kept in the desktop's keyring", lines[3])
    assert.truthy(json.decode(lines[4]).body:find("[secret:canary]", 1, true), r.out)
    assert.truthy(server:last():find(VALUE, 1, true))
    assert.equal("file", json.decode(lines[5]).place)
    assert.equal("keyring", json.decode(lines[6]).place)
    assert.is_true(json.decode(lines[7]).removed)
    assert.equal("not_found", json.decode(lines[8]).error.code)
  end)
end)
