local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local definition_of = require "melody.definition"
local load_melody = require "melody.load"

--- The one problem of a fixture that is refused.
local function refused(name)
  local loaded = help.fixture("refused/" .. name)
  assert.is_nil(loaded.definition)
  assert.equal(1, #loaded.problems)
  assert.equal("melodies/refused/" .. name, loaded.problems[1].where.file)
  return loaded.problems[1]
end

describe("a melody that wants more than it may", function()
  it("is refused with its line: os.execute", function()
    local p = refused "os_execute.lua"
    assert.equal("melody_invalid", p.code)
    assert.equal(3, p.where.line)
    assert.truthy(p.message:find("os.execute", 1, true), p.message)
  end)

  it("is refused with its line: io.open", function()
    local p = refused "io_open.lua"
    assert.equal("melody_invalid", p.code)
    assert.equal(3, p.where.line)
    assert.truthy(p.message:find("`io`", 1, true) or p.message:find("'io'", 1, true), p.message)
  end)

  it("is refused with its line: require \"host\"", function()
    local p = refused "require_host.lua"
    assert.equal("melody_invalid", p.code)
    assert.equal(2, p.where.line)
    assert.truthy(p.message:find("host", 1, true), p.message)
  end)

  it("is refused with its line: a loop without end", function()
    local p = refused "endless.lua"
    assert.equal("timeout", p.code)
    assert.equal(3, p.where.line)
  end)
end)

describe("a file that is no melody", function()
  it("is refused with the line of the syntax error", function()
    local p = refused "syntax.lua"
    assert.equal("melody_invalid", p.code)
    assert.equal(3, p.where.line)
    assert.truthy(p.message:find("unexpected symbol", 1, true), p.message)
  end)

  it("is refused when it returns something else", function()
    for _, text in ipairs { "", "return 5", "return {}", "return { tasks = 1 }" } do
      local loaded = load_melody.lua(text, { file = "x.lua" })
      assert.equal("the file does not return a melody", loaded.problems[1].message)
    end
  end)

  it("is refused with the line of an error of its own", function()
    local loaded = load_melody.lua('\nerror("no luck")', { file = "x.lua" })
    assert.equal("no luck", loaded.problems[1].message)
    assert.equal(2, loaded.problems[1].where.line)
  end)

  it("is refused when it is larger than 1 MiB", function()
    local loaded = load_melody.lua((" "):rep((1 << 20) + 1), { file = "x.lua" })
    assert.equal("the source is larger than 1 MiB", loaded.problems[1].message)
  end)

  it("names the file of a long path", function()
    local file = ("deep/"):rep(30) .. "x.lua"
    local loaded = load_melody.lua('\nlocal x = nil + 1', { file = file })
    assert.equal(file, loaded.problems[1].where.file)
    assert.equal(2, loaded.problems[1].where.line)
  end)
end)

describe("an error in a module of the melody", function()
  it("is placed in the module", function()
    local loaded = load_melody.lua('local x = require "broken"\nreturn x', {
      file = "melodies/main.lua",
      module = function(name) if name == "broken" then return "\n\nerror('bad')", "melodies/broken.lua" end end,
    })
    assert.equal("melodies/broken.lua", loaded.problems[1].where.file)
    assert.equal(3, loaded.problems[1].where.line)
  end)
end)

describe("a JSON melody", function()
  it("has its problems on the line of the task", function()
    local text = help.read(help.fixtures .. "hand.json"):gsub('"on_error": "skip"', '"on_error": "skpi"')
    local loaded = load_melody.text(text, { file = "hand.json" })
    assert.equal(1, #loaded.problems)
    assert.equal(7, loaded.problems[1].where.line)
    assert.equal("checks", loaded.problems[1].where.task)
  end)

  it("is normalised", function()
    local loaded = help.fixture "hand.json"
    assert.same({}, loaded.problems)
    local diff, checks = table.unpack(loaded.definition.tasks)
    assert.same({ timeout_ms = 120000, attempt_timeout_ms = 500 }, diff.options)
    assert.equal("git", diff.extension)
    assert.equal("function(file) return { path = file.path } end", checks.fn.lua)
    assert.same({ "diff" }, checks.options.when.uses)
  end)

  it("and a Lua melody that say the same are the same", function()
    local lua = help.fixture "review.lua"
    local json = load_melody.text(definition_of.encode(lua.definition), { file = "melodies/review.json" })
    json.definition.source = lua.definition.source
    assert.equal(definition_of.hash(lua.definition), definition_of.hash(json.definition))
  end)
end)

describe("a loaded melody", function()
  it("brings the texts of its files", function()
    local loaded = help.fixture "with_module.lua"
    assert.truthy(loaded.sources["melodies/with_module.lua"])
    assert.truthy(loaded.sources["melodies/lib/names.lua"])
  end)

  it("of 5,000 tasks loads and checks within the time of a test", function()
    local lines = {}
    for i = 1, 5000 do lines[i] = ('m:task("t%d", "git.diff", { base = "x" })'):format(i) end
    local loaded = help.body(table.concat(lines, "\n"))
    assert.equal(5000, #loaded.definition.tasks)
    assert.equal(5002, loaded.definition.tasks[5000].line)
    assert.same({}, help.problems(loaded))
  end)
end)
