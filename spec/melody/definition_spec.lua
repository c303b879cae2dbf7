local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local definition_of = require "melody.definition"
local json = require "sy.json"

local function minimal(change)
  local raw = { format = 1, name = "m", tasks = { { key = "a", operation = "x.y" } } }
  for key, value in pairs(change or {}) do raw[key] = value end
  return raw
end

local function with_task(change)
  local task = { key = "a", operation = "x.y" }
  for key, value in pairs(change) do task[key] = value end
  return minimal { tasks = { task } }
end

local function refused(raw)
  local _, problems = definition_of.normalise(raw, "m.json")
  assert.equal(1, #problems, json.encode(problems))
  assert.equal("m.json", problems[1].where.file)
  return problems[1]
end

describe("the shape of a definition", function()
  local wrong = {
    { minimal { format = 2 }, "the format 2" },
    { minimal { name = "a b" }, "`a b` is no name" },
    { minimal { taskz = {} }, "no field `taskz`" },
    { minimal { doc = 5 }, "`doc` is no string" },
    { minimal { outputs = { 1 } }, "`outputs`" },
    { minimal { params = { 1 } }, "`params`" },
    { minimal { params = { p = { type = "strng" } } }, "no type `strng`" },
    { minimal { params = { p = { typ = "string" } } }, "no field `typ`" },
    { minimal { params = { p = { enum = {} } } }, "`enum`" },
    { minimal { params = { p = { required = "yes" } } }, "`required`" },
    { minimal { params = { P = {} } }, "no name of a parameter" },
    { minimal { triggers = { { on = "moon", spec = "full" } } }, "the trigger 1" },
    { minimal { triggers = { { on = "schedule", spec = "* * *" } } }, "five fields" },
    { minimal { tasks = { x = 1 } }, "`tasks` is no list" },
    { minimal { tasks = {} }, "without tasks" },
    { minimal { tasks = { 5 } }, "a task is no table" },
    { with_task { key = "A" }, "`A` is no key" },
    { with_task { key = "it" }, "reserved" },
    { with_task { operation = "nodot" }, "no operation" },
    { with_task { verb = "ech", list = {} }, "unknown verb `ech`" },
    { with_task { inputs = {} }, "no field `inputs`" },
    { with_task { list = {} }, "no field `list`" },
    { with_task { verb = "each" }, "has no list" },
    { with_task { verb = "each", list = {}, fn = 5 }, "the function of each" },
    { with_task { verb = "each", list = {}, fn = { lua = "x", colour = 1 } }, "no field `colour`" },
    { with_task { options = { 1 } }, "the options are no table" },
    { with_task { verb = "loop", max = 0 }, "`max` of loop" },
    { with_task { verb = "loop", ["until"] = 5 }, "the condition `until` of loop" },
    { with_task { verb = "ask", question = "?" }, "no field `operation`" },
    { minimal { tasks = { { key = "a", verb = "ask" } } }, "has no question" },
    { minimal { tasks = { { key = "a", verb = "ask", question = "x", schema = 5 } } }, "no JSON schema" },
    { minimal { tasks = { { key = "a", verb = "sub", melody = "a b" } } }, "`a b` is no name of a melody" },
    { minimal { tasks = { { key = "a", verb = "sub", melody = "b", params = { 1 } } } }, "no table with names" },
    { minimal { melodies = { b = { format = 2, name = "b", tasks = { { key = "a", operation = "x.y" } } } } },
      "the format 2" },
    { minimal { melodies = { b = minimal { melodies = {} } } }, "at the top level only" },
  }
  for _, case in ipairs(wrong) do
    it("is refused: " .. case[2], function()
      local p = refused(case[1])
      assert.truthy(p.message:find(case[2], 1, true), p.message)
    end)
  end

  it("names two tasks of one key", function()
    local two = { { key = "a", operation = "x.y" }, { key = "a", operation = "x.y", line = 7 } }
    local p = refused(minimal { tasks = two })
    assert.equal("two tasks have the key `a`", p.message)
    assert.equal(7, p.where.line)
  end)

  it("is refused when it is no object", function()
    for _, raw in ipairs { 5, "x", { 1, 2 } } do
      local definition, problems = definition_of.normalise(raw)
      assert.is_nil(definition)
      assert.equal(1, #problems)
    end
  end)

  it("suggests the verb that was meant", function()
    assert.equal("did you mean `each`?", refused(with_task { verb = "ech" }).note)
  end)
end)

describe("options", function()
  local wrong = {
    { { colour = 1 }, "unknown option `colour`" },
    { { loop = 1 }, "unknown option `loop`" },
    { { budgt = "0.05usd" }, "unknown option `budgt`" },
    { { budget = "0.05eur" }, "is no budget" },
    { { budget = { "1s", wall = "2s" } }, "`wall` is limited twice" },
    { { budget = {} }, "it limits nothing" },
    { { budget = { on_breach = "stop" } }, "it limits nothing" },
    { { budget = { usd = 1, on_breach = "panic" } }, "on_breach" },
    { { budget = { euros = 1 } }, "no field `euros`" },
    { { cache = "soon" }, "no duration" },
    { { cache = {} }, "it needs `ttl`" },
    { { rate = "ten/s" }, "is no rate" },
    { { rate = "0/s" }, "count: 0 is no whole number" },
    { { rate = { count = 5 } }, "it needs `count` and `per`" },
    { { key = 5 }, "is no text" },
    { { isolation = "none" }, "none of \"thread\", \"process\"" },
    { { player = "auto" }, "\"auto\" is not part of this version" },
    { { idle_timeout = 5 }, "no duration" },
    { { compensate = {} }, "it names no operation" },
    { { compensate = 5 }, "it is no operation" },
    { { default = 5 }, "unknown option `default`" },
    { { max_parallel = 2 }, "unknown option `max_parallel`" },
    { { timeout = 60 }, "option timeout: 60 is no duration" },
    { { timeout = "soon" }, "option timeout: \"soon\" is no duration" },
    { { timeout_ms = "60s" }, "no number of milliseconds" },
    { { timeout = "1s", timeout_ms = 5 }, "given twice" },
    { { edge = "weak" }, "\"weak\" is none of" },
    { { on_error = "stop" }, "\"stop\" is none of \"halt\", \"skip\", \"compensate\", \"ask\"" },
    { { join = 0 }, "option join" },
    { { join = "some" }, "option join" },
    { { priority = 1.5 }, "no whole number" },
    { { retry = "often" }, "no table" },
    { { retry = {} }, "it needs `max`" },
    { { retry = { max = -1 } }, "no whole number from 0 to 1000" },
    { { retry = { max = 1, backof = "fixed" } }, "no field `backof`" },
    { { retry = { max = 1, backoff = "linear" } }, "none of" },
    { { retry = { max = 1, jitter = 2 } }, "no number from 0 to 1" },
    { { retry = { max = 1, on = { "a", "b", "c", "d", "e", "f", "g", "h", "i" } } }, "at most 8" },
    { { after = 5 }, "no list of names" },
    { { after = { a = 1 } }, "no list of names" },
    { { when = 5 }, "no function" },
    { { fallback = {} }, "it is empty" },
    { { fallback = { 5 } }, "[1] is no operation" },
    { { fallback = { { input = {} } } }, "[1] names no operation" },
  }
  for _, case in ipairs(wrong) do
    it("are refused: " .. case[2], function()
      local p = refused(with_task { options = case[1], line = 12 })
      assert.truthy(p.message:find(case[2], 1, true), p.message)
      assert.equal(12, p.where.line)
      assert.equal("a", p.where.task)
    end)
  end

  it("suggest the name that was meant", function()
    assert.equal("did you mean `timeout`?", refused(with_task { options = { timout = "1s" } }).note)
  end)

  it("are stored in one form, however they are written", function()
    local definition, problems = definition_of.normalise(with_task { line = 3, options = {
      after = "b", timeout = "2m", attempt_timeout_ms = 500, queue_timeout = "1h", retry = 2, when = "true",
      fallback = "acme/textkit.split", on_error = "halt", join = "any", priority = 5, edge = "soft",
    } })
    assert.same({}, problems)
    assert.same({
      after = { "b" }, timeout_ms = 120000, attempt_timeout_ms = 500, queue_timeout_ms = 3600000, retry = { max = 2 },
      when = { lua = "true", line = 3, captures = {}, uses = {} }, on_error = "halt", join = "any", priority = 5, edge = "soft",
      fallback = { { operation = "acme/textkit.split", extension = "acme/textkit" } },
    }, definition.tasks[1].options)
  end)

  it("take every field of retry", function()
    local definition = definition_of.normalise(with_task { options = {
      retry = { max = 3, backoff = "exponential", delay = "100ms", jitter = true, on = { "timeout" } },
    } })
    assert.same({ max = 3, backoff = "exponential", delay_ms = 100, jitter = 0.1, on = { "timeout" } },
                definition.tasks[1].options.retry)
  end)
end)

describe("a function", function()
  it("is stored with the keys of the tasks that it reads", function()
    local definition = definition_of.normalise(minimal { tasks = {
      { key = "a", operation = "x.y" }, { key = "b", operation = "x.y" }, { key = "path", operation = "x.y" },
      { key = "c", operation = "x.y", options = { when = [[#a.b > 0 and tasks["b"] and x.path and "path"]] } },
      { key = "d", operation = "x.y", verb = "each", list = {},
        fn = "function(a) local b = 1 return { path = a.b + b } end" },
    } })
    assert.same({ "a", "b" }, definition.tasks[4].options.when.uses)
    assert.same({}, definition.tasks[5].fn.uses)
  end)
end)

describe("JSON", function()
  it("that is broken is refused with its line", function()
    local definition, problems = definition_of.decode('{"format": 1,\n "name": }', "m.json")
    assert.is_nil(definition)
    assert.equal(2, problems[1].where.line)
  end)

  it("comes back equal, with twenty map functions and their captures", function()
    local loaded = help.fixture "twenty.lua"
    assert.same({}, loaded.problems)
    local text = definition_of.encode(loaded.definition)
    local back, problems = definition_of.decode(text, "melodies/twenty.lua")
    assert.same({}, problems)
    assert.is_true(help.equal(loaded.definition, back))
    assert.equal(text, definition_of.encode(back))
    assert.equal(definition_of.hash(loaded.definition), definition_of.hash(back))
    assert.equal(21, #back.tasks)
    assert.equal(9007199254740993, back.tasks[3].fn.captures.limit)
    local captures = { limit = 9007199254740993, list = { 1, 2, 3 }, map = { a = 1, b = "two" } }
    assert.same(captures, back.tasks[19].fn.captures)
    for i = 2, 21 do assert(load("return " .. back.tasks[i].fn.lua), back.tasks[i].key) end
  end)

  it("comes back equal for a melody with everything in it", function()
    local loaded = help.fixture "review.lua"
    assert.same({}, loaded.problems)
    local back = definition_of.decode(definition_of.encode(loaded.definition), "melodies/review.lua")
    assert.is_true(help.equal(loaded.definition, back))
  end)

  it("of empty lists and maps stays what it was", function()
    local definition = definition_of.normalise(with_task { options = { when = "true" } })
    local text = definition_of.encode(definition)
    assert.truthy(text:find('"captures":{}', 1, true))
    assert.truthy(text:find('"params":{}', 1, true))
  end)
end)

describe("the hash", function()
  it("changes with any change, and names its algorithm", function()
    local one = definition_of.normalise(minimal())
    local two = definition_of.normalise(minimal { doc = "x" })
    assert.truthy(definition_of.hash(one):find "^sha256:%x+$")
    assert.equal(71, #definition_of.hash(one))
    assert.not_equal(definition_of.hash(one), definition_of.hash(two))
    assert.equal(definition_of.hash(one), definition_of.hash(definition_of.normalise(minimal())))
  end)
end)

describe("resolving", function()
  it("writes the chosen extension of operations and fallbacks", function()
    local definition = definition_of.normalise(with_task { options = { fallback = { "z.w" } } })
    definition_of.resolve(definition, function(name)
      return name == "x.y" and { extension = "acme/x" } or { extension = "z2" }
    end)
    assert.equal("acme/x", definition.tasks[1].extension)
    assert.equal("z2", definition.tasks[1].options.fallback[1].extension)
  end)
end)
