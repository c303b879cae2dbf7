--- The canary: a secret is used in every way there is, and then every byte that was stored or shown is searched for it.
---
--- Not searched: the file that keeps the value, and what a child wrote into a file by itself.
local echo = require "support.echo"
local json = require "sy.json"
local keys = require "keys"
local support = require "support"

local VALUE, MARK = keys.VALUE, "[secret:canary]"
local CONTROL = "control-that-is-stored"

local MELODY = [[
local melody = require "melody"
local m = melody "canary"
local url = "%s"
local said = m:task("said", "keys.get", { url = url .. "/echo", say = true, keep = 1 })
m:task("large", "keys.get", { url = url .. "/echo", keep = 9000 })
m:task("streamed", "keys.get", { url = url .. "/slow", stream = true, pieces = true })
m:task("coded", "keys.get", { url = url .. "/base64" })
m:task("led", "keys.get", { url = url .. "/to//echo" })
m:task("raised", "keys.get", { url = url .. "/echo", fail = true }, { on_error = "skip" })
m:task("denied", "keys.get", { url = url .. "/echo", deny = true }, { on_error = "skip" })
m:task("bad", "keys.get", { url = url .. "/bad" }, { on_error = "skip" })
m:task("cut", "keys.get", { url = url .. "/cut", retry = true }, { on_error = "skip",
  retry = { max = 3, delay = "1ms" } })
m:task("apart", "keys.get", { url = url .. "/echo", say = true }, { isolation = "process" })
m:task("raised_apart", "keys.get", { url = url .. "/echo", fail = true }, { isolation = "process", on_error = "skip" })
m:task("shown", "keys.child", { script = "echo control-that-is-stored; env; env >&2; env >kept/by-the-child",
  stream = true })
m:task("failed", "keys.child", { script = "env >&2; exit 3", check = true }, { on_error = "skip" })
local held = m:task("held", "keys.child", { script = "env; read line <kept/gate; env >&2" })
m:output("said", said)
m:output("held", held)
return m
]]

local TEST = [[
local test = require "melody.test"
local t = test "canary"
t:case("is recorded", {})
return t
]]

local dir, server, shown

--- Remembers all that a command shows.
local function symphony(words, options)
  options = options or {}
  options.cwd = dir
  local r = support.symphony(words, options)
  shown[#shown + 1] = { name = table.concat(words, " "), text = r.out .. r.err }
  return r
end

--- Every file below the folders, but those that may have it: {name, text}.
local function stored()
  local list = {}
  local found = support.run({ "find", dir, os.getenv "HOME", os.getenv "XDG_DATA_HOME", os.getenv "XDG_CONFIG_HOME",
    os.getenv "XDG_CACHE_HOME", "-type", "f" })
  for path in found.out:gmatch "[^\n]+" do
    if not path:find("/secrets/canary$") and not path:find("/kept/by-the-child", 1, true) then
      list[#list + 1] = { name = path, text = support.read_file(path) or "" }
      local plain = support.run({ "zstd", "-q", "-d", "-c", "--", path })
      if plain.code == 0 then list[#list + 1] = { name = path .. " unpacked", text = plain.out } end
    end
  end
  return list
end

local function count(list, text)
  local all = 0
  for _, one in ipairs(list) do
    if one.text:find(text, 1, true) then all = all + 1 end
  end
  return all
end

local function check(list)
  for i, form in ipairs(keys.forms(VALUE)) do
    for _, one in ipairs(list) do
      assert.is_nil(one.text:find(form, 1, true), ("form %d of the value is in %s"):format(i, one.name))
    end
  end
end

--- Opens the gate that `held` waits at, as soon as it does.
local function open_gate()
  support.sh("echo gone >kept/gate", { cwd = dir, timeout_s = 60 })
end

describe("a canary", function()
  setup(function()
    shown, server = {}, echo.start()
    dir = keys.project { server:port() }
    support.sh("mkfifo kept/gate", { cwd = dir })
    support.write_file(dir .. "/melodies/canary.lua", MELODY:format(("http://127.0.0.1:%d"):format(server:port())))
    assert(keys.set("canary", VALUE).code == 0)
  end)

  teardown(function() server:stop() end)

  it("is used, through a crash and after it", function()
    local c = support.start_symphony({ "run", "canary" }, { cwd = dir })
    local marked = support.wait_until(function()
      if server:count() < 12 then return nil end
      local doc = json.decode(support.symphony({ "show", "--json" }, { cwd = dir }).out)
      local over, held = 0, false
      for _, task in ipairs(doc.tasks or {}) do
        if task.status == "completed" or task.status == "failed" then over = over + 1 end
        if task.key == "held" then held = task.status == "executing" end
      end
      return held and over == #doc.tasks - 1
    end, 60)
    assert.is_true(marked)
    check(stored())
    c:kill("KILL", true)
    assert.truthy(c:wait(20))
    check(stored())
    local again = support.start_symphony({ "resume", "--json" }, { cwd = dir })
    open_gate()
    local r = again:wait(60)
    assert.equal(0, r.code, r.out .. r.err)
    shown[#shown + 1] = { name = "run and resume", text = c:out() .. c:err() .. r.out .. r.err }
    local doc = json.decode(r.out)
    assert.truthy(doc.outputs.held.out:find("TOKEN=" .. MARK, 1, true), r.out)
    assert.truthy(doc.outputs.said.body:find("Bearer " .. MARK, 1, true))
  end)

  it("is recorded on a tape, and exported", function()
    support.write_file(dir .. "/melodies/canary_test.lua", TEST)
    local recording = support.start_symphony({ "melody", "test", "canary", "--record" }, { cwd = dir })
    open_gate()
    local r = recording:wait(60)
    assert.equal(0, r.code, r.out .. r.err)
    shown[#shown + 1] = { name = "melody test --record", text = r.out .. r.err }
    local tape = support.read_file(dir .. "/melodies/canary_test.tape.json")
    assert.truthy(tape:find(MARK, 1, true))
    assert.equal(0, symphony({ "melody", "test", "canary" }).code)
    for i, words in ipairs { { "export", "-o", "run.tar.zst" }, { "trace", "--format", "chrome" }, { "trace" },
      { "show" }, { "show", "--json" }, { "logs" }, { "logs", "--json" }, { "events" }, { "why", "last", "denied" },
      { "data", "task", "--json" }, { "artifact", "ls", "--json" }, { "secret", "ls" }, { "secret", "ls", "--json" },
      { "doctor", "--json" }, { "ext", "show", "keys" } } do
      assert.equal(0, symphony(words).code, i .. " " .. shown[#shown].text)
    end
    for _, kind in ipairs { "tokens", "progress", "log" } do symphony({ "logs", "last", "said", "--stream", kind }) end
    symphony({ "logs", "last", "streamed", "--stream", "tokens" })
    local list = json.decode(symphony({ "artifact", "ls", "--json" }).out).artifacts
    assert.is_true(#list >= 2)
    for _, one in ipairs(list) do assert.equal(0, symphony({ "artifact", "cat", one.id }).code) end
  end)

  it("is in nothing that was stored or shown", function()
    local files = stored()
    check(files)
    check(shown)
    for _, list in ipairs { files, shown } do
      assert.is_true(count(list, CONTROL) > 0, "what is stored is found")
      assert.is_true(count(list, MARK) > 0, "and so is what stands for the value")
    end
    assert.is_true(count({ { text = server:last() } }, VALUE) == 1, "the server got it")
    assert.truthy(support.read_file(dir .. "/kept/by-the-child"):find(VALUE, 1, true), "and so did the child")
  end)
end)
