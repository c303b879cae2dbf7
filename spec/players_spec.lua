--- Players and pauses as a person meets them: who is suspended and why, what runs instead, what `why` says of it; and an
--- extension that is broken beside others that are not.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "%s"
version = "0.1.0"
type = "operator"
description = "Speaks."

[operator]
operator_type = "text"

[operation.say]
doc = "Says it."
effects = "none"
]]

local PROMISE = "\n[player]\nmax_error_rate = 0.1\n"

local CODE = [[
return { say = function(input)
  if input.fail then return nil, "no voice" end
  return { said = "%s" }
end }
]]

local SHAKY = [[
local m = require "melody" "talk"
local fail = m:param("fail", { type = "boolean", default = false })
m:task("talk", "shaky.say", { fail = fail, n = m:param("n", { type = "integer", default = 0 }) },
  { fallback = { { "steady.say", {} } }, cache = false })
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function document(...)
  local r = symphony(...)
  return assert(json.decode(r.out), r.out .. r.err), r.code
end

local function extension(name, manifest, code)
  support.write_file(("%s/extensions/%s/Symphony.toml"):format(dir, name), manifest)
  support.write_file(("%s/extensions/%s/init.lua"):format(dir, name), code)
end

local function listed(name)
  for _, one in ipairs(document("ext", "ls", "--json").extensions) do
    if one.name == name then return one end
  end
end

before_each(function()
  dir = paths.real(support.tmpdir())
  extension("shaky", MANIFEST:format "shaky" .. PROMISE, CODE:format "shaky")
  extension("steady", MANIFEST:format "steady", CODE:format "steady")
  support.write_file(dir .. "/melodies/talk.lua", SHAKY)
  symphony "init"
  symphony "trust"
  symphony("config", "set", "players.min_calls", "2")
  symphony("config", "set", "players.rest_ms", "3600000")
end)

describe("a player that fails more often than it promised", function()
  before_each(function()
    for _ = 1, 2 do symphony("run", "talk", "-p", "fail=true") end
  end)

  it("is suspended, shown with the reason, and told as an event", function()
    local player = document("ext", "show", "shaky", "--json").players[1]
    assert.equal("suspended", player.state)
    assert.equal("2 of the last 2 calls failed, at most 10 % may", player.reason)
    assert.same({ 2, 2, 1.0 }, { player.calls, player.failed, player.error_rate })
    assert.matches("shaky: suspended until %S+, because 2 of the last 2 calls failed", symphony("ext", "show", "shaky").out)
    assert.matches("shaky .*shaky: suspended", symphony("ext", "ls").out)
    assert.matches("2 of the last 2", listed("shaky").reason)
    assert.matches('"player":"shaky"', symphony("events", "--topic", "kit.player.>").out)
  end)

  it("is passed over where its task has a fallback, and `why` says so", function()
    local run = document("run", "talk", "--json")
    assert.equal("completed", run.status)
    assert.equal("fallback", run.tasks[1].outcome)
    assert.equal("steady", run.tasks[1].extension)
    assert.matches("fell back after suspended: shaky is suspended %(until .*%): 2 of the last 2 calls",
      symphony("why", "last", "talk").out)
  end)

  it("is still called where it is named alone", function()
    assert.equal(0, symphony("call", "shaky.say").code)
  end)
end)

describe("an extension that is paused", function()
  it("is not called; tasks fall back, or fail and say what to type", function()
    assert.matches("shaky is paused: nothing in this project calls it", symphony("ext", "pause", "shaky").out)
    assert.is_false(document("ext", "pause", "shaky", "--json").changed)
    assert.equal("paused", listed("shaky").state)
    assert.equal("fallback", document("run", "talk", "--json").tasks[1].outcome)
    local r = symphony("call", "shaky.say")
    assert.equal(1, r.code)
    assert.matches("suspended.*shaky is paused.*symphony ext resume shaky", r.err)
    assert.equal(0, symphony("call", "steady.say").code)
    assert.equal(0, symphony("ext", "resume", "shaky").code)
    assert.equal("installed", listed("shaky").state)
    assert.equal("ok", document("run", "talk", "--json").tasks[1].outcome)
    local events = symphony("events", "--topic", "kit.extension.*").out
    assert.matches("extension.paused.*extension.resumed", events)
  end)

  it("is refused by a name that nothing has", function()
    assert.equal(4, symphony("ext", "pause", "shakey").code)
  end)
end)

describe("the health of an extension", function()
  local function checked(code, ...)
    extension("shaky", MANIFEST:format "shaky" .. PROMISE .. '\n[operation.health]\ndoc = "How it is."\neffects = "none"\n',
      "return { say = function() return {} end, health = function() " .. code .. " end }\n")
    return symphony("ext", "check", "shaky", "--health", ...)
  end

  it("is what its operation `health` says", function()
    assert.matches("shaky says that it is well", checked("return {}").out)
    local r = checked 'return nil, "no voice"'
    assert.equal(1, r.code)
    assert.matches("no voice", r.err)
    r = checked('return nil, "no voice"', "--json")
    assert.same({ true, false }, { json.decode(r.out).ok, json.decode(r.out).health.ok })
    assert.matches("no operation `health`", symphony("ext", "check", "steady", "--health").out)
  end)

  it("counts as a trial of a player on probation", function()
    symphony("config", "set", "players.rest_ms", "1")
    for _ = 1, 2 do symphony("run", "talk", "-p", "fail=true") end
    assert.equal("suspended", document("ext", "show", "shaky", "--json").players[1].state)
    for _ = 1, 3 do assert.equal(0, checked("return {}").code) end
    assert.equal("eligible", document("ext", "show", "shaky", "--json").players[1].state)
  end)
end)

describe("a broken extension", function()
  local BROKEN = {
    manifest = { (MANIFEST:format "broken"):gsub("effects", "efects"), "return {}" },
    syntax = { MANIFEST:format "broken", "return {" },
    throws = { MANIFEST:format "broken", "error 'not today'" },
    loops = { MANIFEST:format "broken" .. '\n[capabilities]\ncpu = "100ms"\n', "while true do end" },
    eats = { MANIFEST:format "broken" .. '\n[capabilities]\nmemory = "4MiB"\n',
      "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end" },
  }
  for name, one in pairs(BROKEN) do
    it("stops no other and is shown with what is wrong: " .. name, function()
      extension("broken", one[1], one[2])
      local failed = symphony("call", "broken.say")
      assert.is_true(failed.code == 1 or failed.code == 2, failed.err)
      assert.equal(0, symphony("call", "steady.say").code)
      local both = [[
local m = require "melody" "both"
m:task("bad", "broken.say", {}, { on_error = "skip" })
m:task("good", "steady.say", {})
return m
]]
      support.write_file(dir .. "/melodies/both.lua", both)
      if name ~= "manifest" then
        local run = document("run", "both", "--json")
        local outcomes = {}
        for _, task in ipairs(run.tasks) do outcomes[task.key] = task.outcome end
        assert.equal("ok", outcomes.good)
        assert.not_equal("ok", outcomes.bad)
      end
      assert.equal("installed", listed("steady").state)
      local broken = listed("broken")
      assert.equal("error", broken.state)
      assert.is_string(broken.reason)
      local told = symphony("events", "--topic", "kit.extension.>").out
      if name ~= "manifest" then assert.matches("kit%.extension%.error", told) end
      assert.matches("kit%.extension%.installed", told)
    end)
  end
end)
