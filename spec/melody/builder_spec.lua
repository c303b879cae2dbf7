local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")

--- The one problem that loading a body ends with.
local function refused(body)
  local loaded = help.body(body)
  assert.is_nil(loaded.definition)
  assert.equal(1, #loaded.problems)
  local p = loaded.problems[1]
  assert.equal("melody_invalid", p.code)
  assert.equal("melodies/test.lua", p.where.file)
  return p
end

local DIFF = 'local diff = m:task("diff", "git.diff", {})\n' -- line 3

describe("a handle used as a value", function()
  local misuses = {
    { "print(#diff.files)", "counted with #", '#diff.files > 0' },
    { 'local s = "x" .. diff.patch', "joined with ..", "{diff.patch}" },
    { 'local s = diff.patch .. "x"', "joined with ..", "{diff.patch}" },
    { "local n = diff.size + 1", "computed with", "when the melody runs" },
    { "local n = -diff.size", "computed with", "when the melody runs" },
    { "local n = diff.size // 2", "computed with", "when the melody runs" },
    { "local n = 1 << diff.size", "computed with", "when the melody runs" },
    { "local b = diff.size < diff.count", "compared", "when =" },
    { "local b = diff.size <= 3", "compared", "when =" },
    { "local b = diff.a == diff.b", "compared", "when =" },
    { "diff.files()", "called", "m:task" },
    { "for k in pairs(diff.files) do end", "iterated", "m:each" },
    { "for i in ipairs(diff.files) do end", "iterated", "m:each" },
    { "local s = tostring(diff.patch)", "turned into a string", "m.text" },
    { "diff.files = 1", "cannot be assigned", nil },
    { "local f = diff[diff]", "indexed with a handle", "field name" },
    { "local f = diff[true]", "indexed with a boolean", "field name" },
    { "local f = diff[0]", "positions count from 1", nil },
  }
  for _, misuse in ipairs(misuses) do
    it("is refused with its line: " .. misuse[1], function()
      local p = refused(DIFF .. misuse[1])
      assert.equal(4, p.where.line)
      assert.truthy(p.message:find(misuse[2], 1, true), p.message)
      if misuse[3] then assert.truthy(p.hint:find(misuse[3], 1, true), p.hint) end
    end)
  end

  it("names the line of the melody when a function of it did that", function()
    local p = refused(DIFF .. "local function count(x)\n  return #x\nend\nlocal n = count(diff)")
    assert.equal(5, p.where.line)
  end)

  it("is refused as a key", function()
    local p = refused(DIFF .. 'm:task("b", "x.y", { [diff.patch] = 1 })')
    assert.truthy(p.message:find("as a key", 1, true))
  end)
end)

describe("a function that cannot be stored", function()
  it("is refused where two begin on one line", function()
    local p = refused(DIFF .. 'm:each("e", diff.files, "x.y", function() return (function() end)() end)')
    assert.equal(4, p.where.line)
    assert.truthy(p.message:find("two functions begin on this line", 1, true))
    assert.equal("begin each on a line of its own", p.hint)
  end)

  it("is refused with the name of a captured function", function()
    local p = refused(DIFF .. 'local function helper() end\n'
                      .. 'm:each("e", diff.files, "x.y", function(f) return helper(f) end)')
    assert.truthy(p.message:find("captures `helper`, a function", 1, true), p.message)
    assert.equal(5, p.where.line)
  end)

  it("is refused with the key of a captured task", function()
    local p = refused(DIFF .. 'm:each("e", diff.files, "x.y", function(f) return { diff.patch, f } end)')
    assert.truthy(p.message:find("captures `diff`, the task `diff`", 1, true), p.message)
    assert.truthy(p.hint:find('tasks["diff"]', 1, true))
  end)

  it("is refused with the name of a captured parameter", function()
    local p = refused('local b = m:param("base", {})\n' .. DIFF
                      .. 'm:each("e", diff.files, "x.y", function(f) return { b, f } end)')
    assert.truthy(p.message:find("captures the parameter `b`", 1, true), p.message)
    assert.truthy(p.hint:find("params.base", 1, true))
  end)

  it("is refused when it captures a table that is no plain data", function()
    local p = refused(DIFF .. 'local t = { f = print }\nm:each("e", diff.files, "x.y", function() return t end)')
    assert.truthy(p.message:find("captured `t`.f is a function", 1, true), p.message)
  end)

  it("is refused when it is the library's", function()
    local p = refused(DIFF .. 'm:each("e", diff.files, "x.y", tostring)')
    assert.truthy(p.message:find("function of the library", 1, true), p.message)
  end)

  it("is refused as a value of an input", function()
    local p = refused('m:task("a", "x.y", { f = function() end })')
    assert.truthy(p.message:find("the input of `a`.f is a function", 1, true), p.message)
  end)
end)

describe("the verbs", function()
  local wrong = {
    { 'm:lop("a", "x.y", {})', "no verb `lop`" },
    { 'm:loop("a")', "the operation of `a` must be a string" },
    { 'm:loop("a", "x.y", {}, nil, { max = m:param("n") })', "holds `params.n`" },
    { 'm:ask("a")', "ask `a` has no question" },
    { 'm:ask("a", "ok?", { enum = m:param("n") })', "holds `params.n`" },
    { 'm:sub("a")', "the melody of `a` must be a string" },
    { 'm:task("a", "x.y", { id = melody.own.id })', "`melody.own.id` stands for a task's own output" },
    { 'm:task("a", "x.y", {}, { compensate = {} })', "the operation of option compensate of `a`" },
    { 'm.task("a", "x.y", {})', "called with a colon" },
    { 'm:task("A", "x.y")', "`A` is no key" },
    { 'm:task("a-b", "x.y")', "is no key" },
    { 'm:task("params", "x.y")', "reserved" },
    { 'm:task("a", "x.y") m:task("a", "x.y")', "the key `a` is taken by the task on line 3" },
    { 'm:task("a")', "the operation of `a` must be a string, it is missing" },
    { 'm:task(5, "x.y")', "must be a string" },
    { 'm:each("a", nil, "x.y")', "needs a list" },
    { 'm:param("base") m:param("base")', "declared twice" },
    { 'm:param("Base")', "is no name of a parameter" },
    { 'm:output("a")', "has no value" },
    { 'm:output("a", 1) m:output("a", 2)', "declared twice" },
    { 'm:on("moon", "full")', "cannot start on `moon`" },
    { 'm:text(5)', "text needs a string" },
    { 'm.text "a {b"', "a lone {" },
    { 'm.text "a }"', "a lone }" },
    { 'm.text "a {b c}"', "is no reference" },
    { 'm.text "a {params}"', "needs a name" },
    { 'm.title = "x"', "no field `title`" },
    { 'm.doc = 5', "m.doc must be a string" },
    { 'melody.soft(5)', "marks a reference" },
    { 'melody.hard(m:task("a", "x.y"))', "no `hard`" },
    { 'm:task("a", "x.y", {}, { after = { 5 } })', "must be a string" },
    { 'm:task("a", "x.y", { 1, 2, x = 3 })', "neither a list" },
    { 'local t = {} t.t = t m:task("a", "x.y", t)', "contains itself" },
    { 'm:task("a", "x.y", setmetatable({}, {}))', "metatable" },
    { 'local a = m:task("a", "x.y") m:task("b", "x.y", {}, { timeout = a.t })', "no value before the melody runs" },
    { 'melody "a b"', "no name of a melody" },
  }
  for _, case in ipairs(wrong) do
    it("refuse with the line: " .. case[1], function()
      local p = refused(case[1])
      assert.equal(3, p.where.line)
      assert.truthy(p.message:find(case[2], 1, true), p.message)
    end)
  end
end)

describe("what is written down", function()
  it("keeps references at any depth, with edge and absent value", function()
    local loaded = help.body(DIFF .. [[
m:task("b", "x.y", { a = { diff.files[1].path, { deep = melody.soft(diff.patch, { none = true }) } },
                     c = melody.optional(diff).stat })]])
    assert.same({
      a = { { ["$ref"] = { "diff", "files", 1, "path" } },
            { deep = { ["$ref"] = { "diff", "patch" }, edge = "soft", absent = { none = true } } } },
      c = { ["$ref"] = { "diff", "stat" }, edge = "optional" },
    }, loaded.definition.tasks[2].input)
  end)

  it("reads templates from the melody with a dot and with a colon", function()
    local loaded = help.body(DIFF .. [[
m:task("b", "x.y", { a = m.text"{{x}} {diff.files[2].path}!", b = m:text"{params.base}", c = m.text"plain",
                     d = m.text"" })]])
    assert.same({
      a = { ["$text"] = { "{x} ", { ["$ref"] = { "diff", "files", 2, "path" } }, "!" } },
      b = { ["$text"] = { { ["$param"] = { "base" } } } }, c = { ["$text"] = { "plain" } }, d = { ["$text"] = {} },
    }, loaded.definition.tasks[2].input)
  end)

  it("marks maps with $ keys as literal", function()
    local loaded = help.body('m:task("b", "x.y", { a = { ["$ref"] = { "diff" } }, b = 1 })')
    assert.same({ a = { ["$literal"] = { ["$ref"] = { "diff" } } }, b = 1 }, loaded.definition.tasks[1].input)
  end)

  it("has the line of each task, also of a call over several lines", function()
    local loaded = help.body('m:task("a", "x.y")\nm:task(\n  "b", "x.y",\n  {\n  })')
    assert.equal(3, loaded.definition.tasks[1].line)
    assert.equal(4, loaded.definition.tasks[2].line)
  end)

  it("names the task of an unnamed output", function()
    local loaded = help.body(DIFF .. "m:output(diff.stat)")
    assert.same({ diff = { ["$ref"] = { "diff", "stat" } } }, loaded.definition.outputs)
  end)

  it("takes handles and keys in after, one or several", function()
    local loaded = help.body(DIFF .. [[
m:task("b", "x.y", {}, { after = diff })
m:task("c", "x.y", {}, { after = { "b", diff } })]])
    assert.same({ "diff" }, loaded.definition.tasks[2].options.after)
    assert.same({ "b", "diff" }, loaded.definition.tasks[3].options.after)
  end)

  it("takes the source of a function from the file it stands in", function()
    local loaded = help.fixture "with_module.lua"
    assert.same({}, loaded.problems)
    local fn = loaded.definition.tasks[2].fn
    assert.equal("melodies/lib/names.lua", fn.file)
    assert.equal(4, fn.line)
    assert.equal("function(item)\n  return { path = item.path }\nend", fn.lua)
  end)
end)
