local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local check = require "melody.check"
local json = require "sy.json"
local render = require "melody.render_error"

local DIFF = 'local diff = m:task("diff", "git.diff", {})\n' -- line 3

--- The one problem of a body that starts with the task `diff`.
local function only(body)
  return help.only(DIFF .. body)
end

local function is(p, code, line, message)
  assert.equal(code, p.code, p.message)
  assert.equal("error", p.severity)
  assert.equal(line, p.where.line)
  assert.truthy(p.message:find(message, 1, true), p.message)
end

describe("references", function()
  it("to a task that does not exist are an error", function()
    local p = only 'm:task("b", "outline.summarise", { patch = m.text"{dif.patch}" })'
    is(p, "melody_invalid", 4, "there is no task `dif`")
    assert.equal("did you mean `diff`?", p.note)
    assert.equal("b", p.where.task)
  end)

  it("to a parameter written as a task say so", function()
    local p = help.only 'm:param("base", {})\nm:task("a", "git.diff", { base = m.text"{base} {params.base}" })'
    is(p, "melody_invalid", 4, "there is no task `base`")
    assert.equal("`base` is a parameter: write params.base", p.hint)
  end)

  it("to an unknown parameter are an error", function()
    local p = help.only 'm:param("base", {})\nm:task("a", "git.diff", { base = m.text"{params.bse} {params.base}" })'
    is(p, "unknown_param", 4, "there is no parameter `bse`")
    assert.equal("did you mean `base`?", p.note)
  end)

  it("in after name tasks", function()
    local p = only 'm:task("b", "git.diff", {}, { after = "dif" })'
    is(p, "melody_invalid", 4, "there is no task `dif`")
    assert.equal('after = "dif"', p.source_line)
    assert.equal("dif", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("in outputs are looked at", function()
    is(only 'm:output("x", m.text"{gone}")', "melody_invalid", nil, "there is no task `gone`")
  end)

  it("of a wrong form are refused", function()
    local loaded = help.fixture "hand.json"
    local input = loaded.definition.tasks[1].input
    for _, form in ipairs { { ["$ref"] = "diff" }, { ["$ref"] = {} }, { ["$ref"] = { 1 } }, { ["$ref"] = { "a", 0 } },
                            { ["$text"] = "x" }, { ["$param"] = { "base", {} } } } do
      input.base = form
      local problems = help.problems(loaded)
      assert.equal("melody_invalid", problems[1].code, json.encode(form))
    end
    input.base = { ["$ref"] = { "checks" }, edge = "weak" }
    assert.truthy(help.problems(loaded)[1].message:find("`weak` is no edge", 1, true))
  end)
end)

describe("a circle", function()
  it("is named task by task", function()
    local loaded = help.fixture "refused/cycle.lua"
    local problems = help.problems(loaded)
    assert.equal(1, #problems)
    is(problems[1], "cycle", 3, "a → b → c → a")
  end)

  it("of one task with itself is found", function()
    is(help.only 'm:task("a", "git.diff", {}, { after = "a" })', "cycle", 3, "a → a")
  end)

  it("is found through a condition", function()
    local p = help.only [[
m:task("a", "git.diff", {}, { when = "#b.text > 0" })
m:task("b", "outline.summarise", { patch = m.text"{a.patch}" })]]
    is(p, "cycle", 3, "a → b → a")
  end)

  it("is not one where a field or a local has a task's name", function()
    assert.same({}, help.check [[
local files = m:task("files", "file.glob", { pattern = "*" })
local path = m:each("path", files.files, "lint.check", function(files) return { path = files.path } end)
m:task("report", "report.write", { title = "x", a = path }, { when = "files.files[1].path ~= nil" })]])
  end)
end)

describe("operations", function()
  it("that no extension has are an error with the nearest name", function()
    local p = help.only 'm:task("a", "git.dif", {})'
    is(p, "unknown_operation", 3, "`git.dif`")
    assert.equal("did you mean `git.diff`?", p.note)
    assert.equal("git.dif", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("that a flow calls are found where it calls them", function()
    local p = help.only_in [=[
local melody = require "melody"
local name = "git.dif" -- run:call("git.dif")
return melody.flow("x", function(run)
  local said = 'run:call("git.dif")'
  name.run:call "git.dif"
  return run:map(
    [[git.dif]], { said }, function() return {} end)
end)
]=]
    is(p, "unknown_operation", 7, "`git.dif`")
    assert.equal("did you mean `git.diff`?", p.note)
    assert.equal("[[git.dif]], { said }, function() return {} end)", p.source_line)
    assert.equal("git.dif", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("that are none are found in a flow, too", function()
    local p = help.only_in [=[
local melody = require "melody"
return melody.flow("x", function(run)
  return run:call("d\"if", {})
end)
]=]
    is(p, "melody_invalid", 3, "`d\"if` is no operation")
    assert.equal([["d\"if"]], p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("in fallbacks are looked up too", function()
    is(help.only 'm:task("a", "git.diff", {}, { fallback = { "hg.diff" } })', "unknown_operation", 3, "`hg.diff`")
  end)
end)

describe("parts of outputs", function()
  it("that a closed schema lacks are an error with the nearest name", function()
    local p = only 'm:task("b", "search.grep", { pattern = "x", paths = diff.fiels })'
    is(p, "unknown_field", 4, "git.diff has no output `fiels`")
    assert.equal("did you mean `files`?", p.note)
    assert.equal("symphony ext show git.diff   lists its outputs", p.hint)
  end)

  it("are followed into lists", function()
    is(only 'm:task("b", "file.read", { path = diff.files[1].pth })', "unknown_field", 4, "no output `pth`")
  end)

  it("that an open schema lacks are a warning", function()
    local problems = help.check 'local a = m:task("a", "loose.op", {})\nm:task("b", "loose.op", { known = a.other })'
    assert.equal(1, #problems)
    assert.equal("warning", problems[1].severity)
    assert.truthy(check.ok(problems))
  end)

  it("of each are its items", function()
    local p = only([[
local c = m:each("c", diff.files, "lint.check", function(f) return { path = f.path } end)
m:task("r", "report.write", { title = "x", all = c.findings })]])
    is(p, "type_mismatch", 5, "the output of `c` has no part `findings`")
    assert.equal("c is a list, one output per item: c[1].findings", p.hint)
  end)

  it("of scalars do not exist", function()
    is(only 'm:task("b", "outline.summarise", { patch = diff.patch.text })', "type_mismatch", 4, "no part `text`")
  end)
end)

describe("inputs", function()
  it("that a closed schema lacks are an error", function()
    local p = help.only 'm:task("a", "search.grep", { patern = "x", pattern = "y" })'
    is(p, "unknown_field", 3, "search.grep has no input `patern`")
    assert.equal("did you mean `pattern`?", p.note)
    assert.equal("patern", p.source_line:sub(p.col, p.col + p.length - 1))
  end)

  it("that an open schema does not declare are a warning", function()
    local problems = help.check 'm:task("a", "loose.op", { knwn = 1 })'
    assert.equal("warning", problems[1].severity)
    assert.equal("did you mean `known`?", problems[1].note)
  end)

  it("that are required must be there", function()
    is(help.only 'm:task("a", "search.grep", {})', "missing_param", 3, "search.grep needs the input `pattern`")
    is(help.only 'm:task("a", "search.grep")', "missing_param", 3, "search.grep needs the input `pattern`")
  end)

  it("are checked wholly where they are literal", function()
    is(help.only 'm:task("a", "file.read", { path = 5 })',
       "type_mismatch", 3, "input `path` of file.read: it must be a string")
    is(help.only 'm:task("a", "process.run", { argv = {} })', "type_mismatch", 3, "fewer than 1 items")
    is(help.only 'm:task("a", "process.run", { argv = { "a", 5 } })', "type_mismatch", 3, "input `argv[2]`")
    is(help.only 'm:task("a", "search.grep", { pattern = "x", paths = { 5 } })',
       "type_mismatch", 3, "must be a string or an object")
  end)

  it("are compared by schema where they are references", function()
    is(only 'm:task("b", "file.read", { path = diff.files })',
       "type_mismatch", 4, "an array where a string is expected")
    is(only 'm:task("b", "process.run", { argv = diff.files })',
       "type_mismatch", 4, "items that are an object where a string")
    is(only 'm:task("b", "process.run", { argv = { diff.files } })', "type_mismatch", 4, "input `argv[1]`")
  end)

  it("are compared with the declared types of parameters", function()
    local p = help.only [[
local n = m:param("n", { type = "integer", default = 1 })
m:task("a", "file.read", { path = n })]]
    is(p, "type_mismatch", 4, "an integer where a string is expected")
  end)

  it("made of templates are strings", function()
    is(help.only 'm:task("a", "process.run", { argv = m.text"ls" })', "type_mismatch", 3, "a string where an array")
    assert.same({}, help.check 'm:task("a", "file.read", { path = m.text"ls" })')
  end)

  it("of fallbacks are checked: the same input, or their own", function()
    is(help.only 'm:task("a", "git.diff", {}, { fallback = "file.read" })',
       "missing_param", 3, "needs the input `path`")
  end)

  it("of fallbacks of their own are checked", function()
    is(help.only 'm:task("a", "git.diff", {}, { fallback = { { "file.read", { path = 5 } } } })',
       "type_mismatch", 3, "must be a string")
    assert.same({}, help.check 'm:task("a", "git.diff", {}, { fallback = { { "file.read", { path = "x" } } } })')
  end)
end)

describe("each", function()
  it("needs a list", function()
    is(only 'm:each("c", diff.patch, "lint.check", function(f) return f end)',
       "type_mismatch", 4, "the list of each is a string")
    is(help.only 'm:each("c", { a = 1 }, "lint.check", function(f) return f end)',
       "type_mismatch", 3, "an object where an array")
    is(help.only 'm:each("c", m.text"x", "lint.check", function(f) return f end)',
       "type_mismatch", 3, "a string where an array")
    is(help.only 'local p = m:param("p", { type = "string" })\nm:each("c", p, "lint.check", function(f) return f end)',
       "type_mismatch", 4, "a string where an array")
  end)

  it("without a function checks its items as inputs", function()
    is(help.only 'm:each("c", { { path = "a" }, { path = 5 } }, "lint.check")', "type_mismatch", 3, "input `[2].path`")
    assert.same({}, help.check(DIFF .. 'm:each("c", diff.files, "lint.check")'))
    is(help.only [[
local a = m:task("a", "file.glob", { pattern = "*" })
local b = m:each("b", { { path = "a" } }, "file.read")
local p = m:param("p", { type = "array" })
m:each("c", b, "file.read")
m:each("d", a.files[1].path, "file.read")
m:each("e", p, "file.read")]], "type_mismatch", 7, "the list of each is a string")
  end)

  it("takes an empty list and a list of unknown type", function()
    assert.same({}, help.check 'm:each("c", {}, "lint.check")')
    assert.same({}, help.check [[
local a = m:task("a", "report.write", { title = "x" })
m:each("c", a.html, "lint.check")]])
  end)
end)

describe("parameters", function()
  it("need a default of their type", function()
    local problems = help.check [[
local p = m:param("p", { type = "integer", default = "x" })
m:task("a", "loose.op", { known = p })]]
    is(problems[1], "type_mismatch", 3, "the default of parameter `p`: it must be an integer, it is a string")
  end)

  it("need a default among the allowed values", function()
    local problems = help.check [[
local p = m:param("p", { type = "string", enum = { "a", "b" }, default = "c" })
m:task("a", "loose.op", { known = p })]]
    is(problems[1], "type_mismatch", 3, '"c" is none of "a", "b"')
  end)

  it("that nothing uses are a warning", function()
    local problems = help.check(DIFF .. 'm:param("unused", {})')
    assert.equal(1, #problems)
    assert.equal("warning", problems[1].severity)
    assert.equal(4, problems[1].where.line)
  end)

  it("count as used in functions, and unknown ones are found there", function()
    assert.same({}, help.check('m:param("used", {})\n' .. 'm:task("a", "git.diff", {}, { when = "params.used" })'))
    is(help.only('m:param("used", {})\nm:task("a", "git.diff", {}, { when = "params.used and params.usd" })'),
       "unknown_param", 4, "there is no parameter `usd`")
  end)
end)

describe("conditions and functions", function()
  it("must compile, with the line in the melody", function()
    local p = help.only 'm:task("a", "git.diff", {}, { when = "1 +" })'
    is(p, "expression_error", 3, "the condition does not compile")
    is(help.only 'm:each("a", {}, "lint.check", "function(x) return\\n\\n = 1 end")', "expression_error", 5,
       "the function does not compile")
  end)

  it("are given to the engine's own compiler where there is one", function()
    local seen = {}
    local p = help.only('m:task("a", "git.diff", {}, { when = "true" })',
                        { compile = function(source) seen[#seen + 1] = source return nil, "no", 1 end })
    assert.same({ "true" }, seen)
    assert.equal("expression_error", p.code)
  end)

  it("warn about a name that is nearly a task's", function()
    local problems = help.check(DIFF .. 'm:task("b", "git.diff", {}, { when = "#dif.files > 0" })')
    assert.equal("warning", problems[1].severity)
    assert.equal("did you mean `diff`?", problems[1].note)
  end)
end)

describe("a handle that is tested", function()
  local tests = { "if diff.files then end", "while not diff do break end", "local x = diff and 1",
                  "local x = diff.files or {}",
                  "local x = diff.a == 1", "local x = 1 ~= diff.a[1].b", "if x then elseif diff then end" }
  for _, test in ipairs(tests) do
    it("is warned about: " .. test, function()
      local problems = help.check(DIFF .. test)
      assert.equal(1, #problems)
      assert.equal("warning", problems[1].severity)
      assert.equal(4, problems[1].where.line)
      assert.truthy(problems[1].hint:find('when = "diff', 1, true))
    end)
  end

  it("is not warned about where it is used rightly", function()
    assert.same({}, help.check(DIFF .. [[
local x = 1
if x == 1 then m:task("b", "outline.summarise", { patch = diff.patch }) end
m:each("c", diff.files, "lint.check", function(diff) if diff.path then return diff end return nil end)
local t = { diff = 1 }
if t.diff then x = 2 end]]))
  end)
end)

describe("many problems", function()
  it("come in the order of their lines", function()
    local problems = help.check [[
m:task("a", "git.dif", {})
m:task("b", "search.grep", { paths = m.text"{c.x}" })
m:param("unused", {})]]
    local lines = {}
    for i, p in ipairs(problems) do lines[i] = p.where.line end
    assert.same({ 3, 4, 5 }, { lines[1], lines[2], lines[#lines] })
  end)

  it("make the document of melody check", function()
    local problems = help.check 'm:task("a", "git.dif", {})'
    local document = check.document("test", problems)
    assert.equal("test", document.melody)
    assert.is_false(document.ok)
    assert.same({ file = "melodies/test.lua", line = 3, task = "a" }, document.problems[1].where)
    assert.equal("unknown_operation", document.problems[1].code)
    assert.equal('{"melody":"x","ok":true,"problems":[]}', json.encode(check.document("x", {})))
  end)
end)

describe("melodies that are right", function()
  for _, name in ipairs { "review.lua", "twenty.lua", "with_module.lua", "hand.json" } do
    it("have no problem: " .. name, function()
      local loaded = help.fixture(name)
      local problems = help.problems(loaded)
      local shown = render.render_all(problems)
      assert.truthy(check.ok(problems), shown)
      assert.equal(0, #problems, shown)
    end)
  end
end)
