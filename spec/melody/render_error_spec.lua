local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local problem = require "melody.problem"
local render = require "melody.render_error"

describe("a problem on the terminal", function()
  it("looks as the contract shows it", function()
    local body = "\n\n\n\n\n\n" .. [[
local diff = m:task("diff", "git.diff", {}) m:task("marks", "search.grep", { pattern = "x", paths = diff.fiels })]]
    local p = help.only(body)
    p.where.file = "melodies/review.lua"
    assert.equal([[
error[unknown_field]: git.diff has no output `fiels`
  melodies/review.lua:9   paths = diff.fiels
                                       ^^^^^ did you mean `files`?
  symphony ext show git.diff   lists its outputs]], render.render(p))
  end)

  it("shows the whole line where no part of it is known", function()
    local loaded = help.fixture "refused/cycle.lua"
    assert.equal([[
error[cycle]: tasks wait for each other in a circle: a → b → c → a
  melodies/refused/cycle.lua:3   local a = m:task("a", "git.diff", {}, { afte…
  each waits for the one before it; remove one of these references or `after` entries]],
      render.render(help.problems(loaded)[1]))
  end)

  it("has no byte beyond ASCII where the terminal has none", function()
    local loaded = help.fixture "refused/cycle.lua"
    local text = render.render(help.problems(loaded)[1], { utf8 = false })
    assert.is_nil(text:find "[\x80-\xff]")
    assert.truthy(text:find("a -> b -> c -> a", 1, true))
    assert.truthy(text:find("...", 1, true))
  end)

  it("says what is known where the place is not", function()
    assert.equal("error[not_found]: nothing", render.render(problem.new("not_found", "nothing")))
    assert.equal("error[not_found]: nothing", render.render { code = "not_found", message = "nothing" })
    assert.equal("warning[x]: y\n  did you mean `z`?\n  do",
                 render.render(problem.new("x", "y",
                                           { severity = "warning", note = "did you mean `z`?", hint = "do" })))
    assert.equal("error[x]: y\n  task a", render.render(problem.new("x", "y", { task = "a" })))
    assert.equal("error[x]: y\n  f.lua:3", render.render(problem.new("x", "y", { file = "f.lua", line = 3 })))
  end)

  it("keeps control characters out of the terminal", function()
    local text = render.render(problem.new("x", "a\27[31mb\nc"))
    assert.is_nil(text:find "[%c]")
  end)

  it("colours only when asked to", function()
    local p = problem.new("x", "y", { file = "f", line = 1, hint = "h" })
    assert.is_nil(render.render(p):find "\27")
    local coloured = render.render(p, { color = true })
    assert.equal(render.render(p), (coloured:gsub("\27%[[%d;]*m", "")))
    assert.truthy(coloured:find "\27")
  end)

  it("cuts a long line around the caret", function()
    local p = problem.new("x", "y", { file = "f", line = 1 })
    p.source_line, p.col, p.length = ("ä"):rep(100) .. "HERE" .. ("ö"):rep(100), 201, 4
    local lines = {}
    for line in render.render(p):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.truthy(utf8.len(lines[2]) <= 80)
    local caret = utf8.len(lines[3]) - 3
    assert.equal("HERE", lines[2]:sub(utf8.offset(lines[2], caret), utf8.offset(lines[2], caret + 4) - 1))
  end)

  it("puts an empty line between several", function()
    assert.equal("error[a]: b\n\nerror[c]: d\n", render.render_all { problem.new("a", "b"), problem.new("c", "d") })
    assert.equal("", render.render_all {})
  end)
end)
