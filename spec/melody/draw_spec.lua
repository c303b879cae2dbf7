local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local draw = require "melody.draw"

local review = help.fixture("review.lua").definition

describe("draw", function()
  it("refuses a circle and a format that does not exist", function()
    local text, message, code = draw.draw(help.fixture("refused/cycle.lua").definition, "ascii")
    assert.is_nil(text)
    assert.equal("cycle", code)
    assert.truthy(message:find("a, b, c", 1, true))
    text, message, code = draw.draw(review, "png")
    assert.is_nil(text)
    assert.equal("usage", code)
    assert.truthy(message:find("ascii, dot, mermaid", 1, true))
  end)

  it("shows lanes from tasks to those that wait for them", function()
    assert.equal([[
●          diff    git.diff
├─●        marks   search.grep
├─│─●      checks  lint.check ×n
├─│─│─●    notes   outline.summarise  when
└─┴─┴─┴─●  report  report.write  soft notes
]], draw.draw(review, "ascii"))
  end)

  it("keeps lanes that pass by apart from those that join", function()
    local definition = help.body([[
local a = m:task("a", "x.y")
local b = m:task("b", "x.y")
m:task("c", "x.y", { a })
m:task("d", "x.y", { b })
m:task("e", "x.y", { a, b })]]).definition
    assert.equal([[
●      a  x.y
│ ●    b  x.y
├─│─●  c  x.y
│ ├─●  d  x.y
└─┴─●  e  x.y
]], draw.draw(definition, "ascii"))
  end)

  it("has an ASCII form", function()
    local text = draw.draw(review, "ascii", { utf8 = false })
    assert.is_nil(text:find "[\x80-\xff]")
    assert.truthy(text:find("`-'-'-'-*  report", 1, true))
  end)

  it("writes Graphviz", function()
    local text = draw.draw(review, "dot")
    assert.truthy(text:find('digraph "review" {', 1, true))
    assert.truthy(text:find('"diff" [label="diff\\ngit.diff"];', 1, true))
    assert.truthy(text:find('"notes" -> "report" [style=dashed];', 1, true))
  end)

  it("writes Mermaid with node names that are safe", function()
    local definition = help.body('local e = m:task("end", "x.y")\nm:task("graph", "x.y", { e })').definition
    assert.equal('flowchart LR\n  t1["end<br>x.y"]\n  t2["graph<br>x.y"]\n  t1 --> t2\n',
                 draw.draw(definition, "mermaid"))
  end)
end)
