local board = require "cli.output.board"
local results = require "cli.output.results"
local select = require "cli.select"
local style = require "cli.output.style"
local terminal = require "cli.output.terminal"
local text = require "cli.output.text"

local PLAIN = style.new({ stdout = false, utf8 = true, columns = 80 }, "auto")

describe("text in columns", function()
  it("counts letters and no escape sequences", function()
    assert.equal(2, text.width "\27[31mäö\27[0m")
    assert.equal("ä  ", text.pad("ä", 3))
    assert.equal("ab…", text.cut("abcdef", 3, "…"))
  end)

  it("makes what would move the cursor visible", function()
    assert.equal("a?[2Jb c", text.clean "a\27[2Jb\tc")
    assert.equal("a?b", text.clean "a\255b")
  end)

  it("shows durations and sizes for people", function()
    assert.same({ "11 ms", "2.1 s", "1 min 05 s", "2 h 01 min" },
      { text.duration(11), text.duration(2100), text.duration(65000), text.duration(7260000) })
    assert.same({ "812 B", "14 KiB", "3.2 MiB" }, { text.size(812), text.size(14336), text.size(3355443) })
  end)
end)

describe("a terminal", function()
  it("has UTF-8 by the first variable that is set", function()
    local function env(values) return function(name) return values[name] end end
    assert.is_true(terminal.is_utf8(env { LANG = "de_DE.UTF-8" }))
    assert.is_false(terminal.is_utf8(env { LC_ALL = "C", LANG = "de_DE.UTF-8" }))
    assert.is_true(terminal.is_utf8(env { LC_CTYPE = "C.utf8" }))
    assert.is_false(terminal.is_utf8(env {}))
  end)

  it("has colour by --color, then NO_COLOR, then whether it is one", function()
    assert.is_true(style.new({ stdout = false }, "always").color)
    assert.is_false(style.new({ stdout = true }, "never").color)
    assert.is_true(style.new({ stdout = true }, "auto").color)
    assert.is_false(style.new({ stdout = true, no_color = true }, "auto").color)
  end)

  it("has a sign for each state in ASCII too", function()
    local plain = style.new({ stdout = false, utf8 = false }, "auto")
    for _, state in ipairs { "ok", "warn", "fail", "skip", "run", "wait", "pending" } do
      assert.matches("^[%g]$", plain:sign(state))
    end
  end)
end)

describe("what a run gave", function()
  it("names the files of artifacts after what they say, never with folders", function()
    assert.equal("report.html", results.file_name({ metadata = { name = "report.html" } }, "report", "html"))
    assert.equal("report.html", results.file_name({ metadata = { name = "../../etc/passwd" } }, "report", "html"))
    assert.equal("report.md", results.file_name({}, "report", "markdown"))
    assert.equal("data", results.file_name({}, "data"))
  end)

  it("shows findings as places, also those of each file", function()
    local lines = results.lines({
      checks = { { findings = { { path = "a.c", line = 3, message = "unused" } } }, { findings = {} } },
      marks = { { path = "b.c", line = 12, text = "AWS key", kind = "secret" } },
    }, PLAIN)
    assert.same({ "a.c:3  unused", "b.c:12  secret: AWS key" }, lines)
  end)

  it("shows at most twenty places and says how many more", function()
    local list = {}
    for i = 1, 25 do list[i] = { path = "a", line = i, message = "m" } end
    local lines = results.lines({ found = list }, PLAIN)
    assert.equal(21, #lines)
    assert.equal("and 5 more", lines[21])
  end)

  it("shows texts, and other values as JSON", function()
    assert.same({ "count  3", "greeting  Hello" }, results.lines({ greeting = "Hello", count = 3 }, PLAIN))
  end)

  it("turns to ASCII where the letters are", function()
    assert.equal("+340 -28 -> ?", board.ascii "+340 −28 → ü")
  end)
end)

describe("globs of tasks", function()
  local tasks = { { key = "checks" }, { key = "checks/1" }, { key = "checks/12" }, { key = "sub/inner/3" } }
  local function keys(glob)
    local list = {}
    for _, task in ipairs(select.tasks(tasks, glob) or {}) do list[#list + 1] = task.key end
    return list
  end

  it("stay within one part with *, go deeper with **", function()
    assert.same({ "checks/1", "checks/12" }, keys "checks/*")
    assert.same({ "checks/1" }, keys "checks/?")
    assert.same({ "sub/inner/3" }, keys "sub/**")
  end)

  it("say what was meant when nothing matches", function()
    local found, why = select.tasks(tasks, "check")
    assert.is_nil(found)
    assert.equal("did you mean `checks`?", why.hint)
  end)
end)
