local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local check = require "melody.check"
local definition_of = require "melody.definition"
local draw = require "melody.draw"
local json = require "sy.json"
local load_melody = require "melody.load"
local plan = require "melody.plan"

local function task(body)
  local loaded = help.body(body)
  assert(loaded.definition, loaded.problems[1] and loaded.problems[1].message)
  local tasks = loaded.definition.tasks
  return tasks[#tasks], loaded
end

--- A definition with others below it, checked.
local function with_melodies(body, melodies)
  local loaded = help.body(body)
  loaded.definition.melodies = {}
  for name, text in pairs(melodies) do
    local file = ("melodies/%s.lua"):format(name)
    local source = ('local melody = require "melody"\nlocal m = melody %q\n%s\nreturn m\n'):format(name, text)
    local other = load_melody.text(source, { file = file })
    assert(other.definition, other.problems[1] and other.problems[1].message)
    loaded.definition.melodies[name], loaded.sources[file] = other.definition, source
  end
  return check.run(loaded.definition, { ops = help.ops, sources = loaded.sources, problems = loaded.problems,
                                        melodies = { names = { "greet", "inner" } } }), loaded.definition
end

local function only(problems)
  local said = {}
  for i, p in ipairs(problems) do said[i] = p.code .. ": " .. p.message end
  assert.equal(1, #problems, table.concat(said, "\n"))
  return problems[1]
end

local GREET = [[
m:param("name", { type = "string" })
m:param("loud", { type = "boolean", default = false })
local read = m:task("read", "file.read", { path = m.text"{params.name} {params.loud}" })
m:output("text", read.content)
m:output("size", read.size)]]

describe("loop", function()
  it("stores its first input, functions and limit", function()
    local t = task [[
m:loop("grow", "loose.op", { known = "a" }, function(previous, i)
  return { known = previous.known .. i }
end, { until_ = "#it.known > 3", max = 5, timeout = "10s" })]]
    assert.equal("loop", t.verb)
    assert.same({ known = "a" }, t.input)
    assert.truthy(t.fn.lua:find("^function%(previous, i%)"))
    assert.equal("#it.known > 3", t["until"].lua)
    assert.equal(5, t.max)
    assert.same({ timeout_ms = 10000 }, t.options)
  end)

  it("takes a function as its end, options without a function, and 100 iterations when nothing is said", function()
    local t = task 'm:loop("grow", "loose.op", {}, { until_ = function(it, i) return i > 2 and it end })'
    assert.truthy(t["until"].lua:find("^function%(it, i%)"))
    assert.is_nil(t.fn)
    assert.equal(100, t.max)
  end)

  it("waits for the tasks that its functions read", function()
    local loaded = help.body [[
m:task("limit", "file.read", { path = "LICENSE" })
m:loop("grow", "loose.op", {}, { until_ = "i > limit.size" })]]
    assert.same({ "limit" }, loaded.definition.tasks[2]["until"].uses)
    assert.truthy(draw.draw(loaded.definition, "ascii"):find("└─●  grow   loose.op ↻100", 1, true))
  end)

  it("gives what its operation gives", function()
    local p = help.only [[
local l = m:loop("grow", "file.read", { path = "x" }, function(p) return { path = p.content } end)
m:task("b", "outline.summarise", { patch = l.contnt })]]
    assert.equal("unknown_field", p.code)
    assert.equal("did you mean `content`?", p.note)
  end)

  it("without a function feeds its output back: the types must fit", function()
    local operations = { ["a.b"] = { extension = "a", input = { type = "string" }, output = { type = "array" } } }
    local p = help.only('m:loop("l", "a.b", "x")', { ops = function(name) return operations[name] end })
    assert.equal("type_mismatch", p.code)
    assert.truthy(p.message:find("the input of its next call", 1, true), p.message)
    assert.same({}, help.check('m:loop("l", "a.b", "x", nil, { max = 1 })', { ops = function(n) return operations[n] end }))
  end)

  it("has an end that compiles, and may use it and i", function()
    assert.equal("expression_error", help.only('m:loop("l", "loose.op", {}, { until_ = "it >" })').code)
    assert.same({}, help.check 'm:loop("j", "loose.op", {}, { until_ = "it ~= nil and i > 1" })')
  end)
end)

describe("ask", function()
  it("stores question, schema and default", function()
    local t = task 'm:ask("sure", "Really?", { type = "boolean" }, { default = false, timeout = "1h" })'
    assert.same({ key = "sure", verb = "ask", question = "Really?", schema = { type = "boolean" }, line = 3,
                  options = { default = false, timeout_ms = 3600000 } }, t)
  end)

  it("asks with what others found, and waits for them", function()
    local t, loaded = task [[
local diff = m:task("diff", "git.diff", {})
m:ask("sure", m.text "Apply this?\n{diff.patch}", { enum = { "yes", "no" } })]]
    assert.same({ "$text" }, { (next(t.question)) })
    assert.same({}, help.problems(loaded))
    assert.equal("●    diff  git.diff\n└─●  sure  host.ask\n", draw.draw(loaded.definition, "ascii"))
  end)

  it("gives an answer that is known by its schema", function()
    local p = help.only [[
local a = m:ask("a", "which?", { type = "object", properties = { path = { type = "string" } }, additionalProperties = false })
m:task("b", "file.read", { path = a.pth })]]
    assert.equal("the answer to `a` has no output `pth`", p.message)
    assert.equal("did you mean `path`?", p.note)
    p = help.only 'local a = m:ask("a", "how many?", { type = "integer" })\nm:task("b", "file.read", { path = a })'
    assert.equal("type_mismatch", p.code)
  end)

  it("is refused with a question that is no text, a schema that is none, a default that does not fit", function()
    assert.equal("the question is no text", help.only('m:ask("a", { 1 }, {})').message)
    assert.truthy(help.only('m:ask("a", "?", { type = "strng" })').message:find("the schema of the answer", 1, true))
    local p = help.only 'm:ask("a", "?", { type = "boolean" }, { default = "yes", timeout = "1s" })'
    assert.truthy(p.message:find("the default is no answer to it", 1, true))
    assert.equal('default = "yes"', p.source_line)
  end)

  it("warns of a default that is never used", function()
    local p = help.only 'm:ask("a", "?", { type = "boolean" }, { default = true })'
    assert.equal("warning", p.severity)
  end)

  it("takes no option of a call", function()
    local p = only(help.body('m:ask("a", "?", {}, { retry = 3 })').problems)
    assert.equal("unknown option `retry`", p.message)
  end)
end)

describe("sub", function()
  it("stores melody and parameters", function()
    local t = task 'm:sub("hello", "greet", { name = "LICENSE" }, { budget = "0.05usd" })'
    assert.same({ key = "hello", verb = "sub", melody = "greet", params = { name = "LICENSE" }, line = 3,
                  options = { budget = { usd_micro = 50000 } } }, t)
  end)

  it("of a melody that is not there is an error with the nearest name", function()
    local p = only((with_melodies('m:sub("hello", "gret", {})', {})))
    assert.equal("melody_invalid", p.code)
    assert.equal("did you mean `greet`?", p.note)
    assert.equal("gret", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  local wrong = {
    { '{}', "missing_param", "needs the parameter `name`" },
    { '{ name = 5 }', "type_mismatch", "parameter `name` of the melody `greet`: it must be a string, it is an integer" },
    { '{ name = "x", lod = true }', "unknown_param", "has no parameter `lod`" },
    { '{ name = m:ask("q", "?", { type = "number" }) }', "type_mismatch", "it is a number where a string is expected" },
  }
  for _, case in ipairs(wrong) do
    it("is refused with the parameters " .. case[1], function()
      local p = only((with_melodies('m:sub("hello", "greet", ' .. case[1] .. ")", { greet = GREET })))
      assert.equal(case[2], p.code)
      assert.truthy(p.message:find(case[3], 1, true), p.message)
      assert.equal("melodies/test.lua", p.where.file)
    end)
  end

  it("gives the outputs that the melody declares", function()
    local body = 'local h = m:sub("hello", "greet", { name = "x" })\nm:task("b", "file.read", { path = h.%s })'
    assert.same({}, (with_melodies(body:format "text", { greet = GREET })))
    local p = only((with_melodies(body:format "txt", { greet = GREET })))
    assert.equal("the melody `greet` has no output `txt`", p.message)
    assert.equal("did you mean `text`?", p.note)
    p = only((with_melodies(body:format "size", { greet = GREET })))
    assert.equal("type_mismatch", p.code)
    assert.same({}, (with_melodies(body:format "read.content", { greet = GREET:gsub("\nm:output.*", "") })))
  end)

  it("is checked itself, in its own file", function()
    local p = only((with_melodies('m:sub("s", "inner")', { inner = 'm:task("a", "git.dif", {})' })))
    assert.equal("unknown_operation", p.code)
    assert.equal("melodies/inner.lua", p.where.file)
    assert.equal(3, p.where.line)
    assert.equal("git.dif", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("of itself without a condition is a cycle", function()
    local p = only((with_melodies('m:sub("s", "inner")', { inner = 'm:sub("again", "inner")' })))
    assert.equal("cycle", p.code)
    assert.truthy(p.message:find("inner → inner", 1, true), p.message)
    local two = { inner = 'm:sub("a", "greet")', greet = 'm:sub("b", "inner")' }
    local problems = with_melodies('m:sub("s", "inner")', two)
    assert.equal("cycle", problems[1].code)
    assert.truthy(problems[1].message:find("greet → inner → greet", 1, true), problems[1].message)
  end)

  it("of itself under a condition is none, also where what it needs has one", function()
    assert.same({}, (with_melodies('m:sub("s", "inner")', { inner = 'm:sub("again", "inner", {}, { when = "false" })' })))
    assert.same({}, (with_melodies('m:sub("s", "inner")', { inner = [[
local a = m:task("a", "loose.op", {}, { when = "false" })
m:sub("again", "inner", {}, { after = { a } })]] })))
  end)

  it("deeper than 32 is refused", function()
    local melodies = { m33 = 'm:task("a", "loose.op", {})' }
    for i = 1, 32 do melodies["m" .. i] = ('m:sub("s", "m%d")'):format(i + 1) end
    local p = only((with_melodies('m:sub("s", "m1")', melodies)))
    assert.truthy(p.message:find("deeper than 32", 1, true), p.message)
    assert.same({}, (with_melodies('m:sub("s", "m2")', melodies)))
  end)

  it("is part of the hash", function()
    local _, one = with_melodies('m:sub("s", "inner")', { inner = 'm:task("a", "loose.op", {})' })
    local _, two = with_melodies('m:sub("s", "inner")', { inner = 'm:task("b", "loose.op", {})' })
    assert.are_not.equal(definition_of.hash(one), definition_of.hash(two))
  end)
end)

describe("what undoes a task", function()
  it("may use the task's own output and is checked like an input", function()
    local t, loaded = task [[
m:task("made", "file.read", { path = "a" }, {
  compensate = { "outline.summarise", { patch = melody.own.content } }, on_error = "compensate" })]]
    assert.same({ operation = "outline.summarise", extension = "outline",
                  input = { patch = { ["$ref"] = { "made", "content" } } } }, t.options.compensate)
    assert.same({}, help.problems(loaded))
    local p = help.only 'm:task("made", "file.read", { path = "a" }, { compensate = { "outline.summarise", { patch = melody.own.size } } })'
    assert.equal("type_mismatch", p.code)
    p = help.only 'm:task("made", "file.read", { path = "a" }, { compensate = { "outline.sumarise" } })'
    assert.equal("unknown_operation", p.code)
    p = help.only 'm:task("made", "file.read", { path = "a" }, { compensate = "outline.summarise" })'
    assert.equal("missing_param", p.code)
  end)

  it("may name the task in a text, and others, which are then waited for", function()
    local _, loaded = task [[
m:task("where_to", "file.read", { path = "b" })
m:task("made", "file.read", { path = "a" }, {
  compensate = { "outline.summarise", { patch = m.text "{made.size} {where_to.content}" } } })]]
    assert.same({}, help.problems(loaded))
    assert.truthy(draw.draw(loaded.definition, "ascii"):find("└─●  made", 1, true))
  end)
end)

describe("options", function()
  it("are stored in one form, which is read as itself", function()
    local t, loaded = task [[
m:task("a", "loose.op", {}, { idle_timeout = "5s", cache = "7d", key = m.text "lock {params.p}", rate = "100/min",
  budget = { usd = 0.05, tokens = 2000, wall = "30s", cpu = "10s", on_breach = "ask" }, isolation = "thread", on_error = "ask" })
m:param("p", {})]]
    assert.same({ idle_timeout_ms = 5000, cache = { ttl_ms = 604800000 }, rate = { count = 100, per_ms = 60000 },
                  key = { ["$text"] = { "lock ", { ["$param"] = { "p" } } } }, isolation = "thread", on_error = "ask",
                  budget = { usd_micro = 50000, tokens = 2000, wall_ms = 30000, cpu_ms = 10000, on_breach = "ask" } },
                t.options)
    assert.same({}, help.problems(loaded))
    local again, problems = definition_of.decode(definition_of.encode(loaded.definition))
    assert.same({}, problems)
    assert.equal(definition_of.encode(loaded.definition), definition_of.encode(again))
  end)

  it("budget is a text or several", function()
    assert.same({ usd_micro = 500000 }, task('m:task("a", "loose.op", {}, { budget = "0.50usd" })').options.budget)
    assert.same({ tokens = 2000, wall_ms = 30000, cpu_ms = 10000 },
                task('m:task("a", "loose.op", {}, { budget = { "2000tok", "30s", "10s cpu" } })').options.budget)
  end)

  it("key waits for what it refers to", function()
    local _, loaded = task [[
local a = m:task("a", "file.read", { path = "a" })
m:task("b", "loose.op", {}, { key = a.content })]]
    assert.truthy(draw.draw(loaded.definition, "ascii"):find("└─●  b", 1, true))
  end)
end)

describe("all verbs", function()
  local BODY = [[
m:on("schedule", "0 9 * * MON-FRI Europe/Berlin")
local a = m:ask("sure", "Go on?", { type = "boolean" })
local l = m:loop("grow", "loose.op", { known = "a" }, { until_ = "it.known", max = 3 })
m:sub("inner", "inner", {}, { after = { a, l } })]]
  local INNER = { inner = 'm:task("a", "git.diff", {})' }

  it("are listed by a dry run, with what the melodies below may touch", function()
    local _, definition = with_melodies(BODY, INNER)
    local document = plan.document(definition, help.ops)
    assert.same({ key = "sure", verb = "ask", operation = "host.ask", after = {} }, document.tasks[1])
    assert.same({ key = "grow", verb = "loop", operation = "loose.op", after = {} }, document.tasks[2])
    assert.same({ key = "inner", verb = "sub", operation = "host.sub", melody = "inner", after = { "sure", "grow" } },
                document.tasks[3])
    assert.same({ "git.diff: reads" }, document.may_touch)
  end)

  it("are drawn differently", function()
    local _, definition = with_melodies(BODY, INNER)
    local dot, mermaid = draw.draw(definition, "dot"), draw.draw(definition, "mermaid")
    for _, piece in ipairs { "shape=diamond", "shape=cds", "shape=component", "host.sub inner", "max 3" } do
      assert.truthy(dot:find(piece, 1, true), piece)
    end
    for _, piece in ipairs { '{{"sure<br>host.ask"}}', '(["grow', '[/"inner<br>host.sub inner"/]' } do
      assert.truthy(mermaid:find(piece, 1, true), piece)
    end
    assert.equal([[
*      sure   host.ask
| *    grow   loose.op max 3
`-'-*  inner  host.sub inner
]], draw.draw(definition, "ascii", { utf8 = false }))
  end)

  it("survive JSON", function()
    local _, definition = with_melodies(BODY, INNER)
    local text = definition_of.encode(definition)
    local again, problems = definition_of.decode(text)
    assert.same({}, problems)
    assert.equal(text, definition_of.encode(again))
    assert.equal("inner", json.decode(text).melodies.inner.name)
  end)
end)
