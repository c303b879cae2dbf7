local template = require "template"

local function fill(text, values, options) return assert(template.render(text, values, options)) end

describe("template", function ()
  it("escapes values", function ()
    assert.equal("&lt;a href=&quot;x&quot;&gt; &amp; &#39;", fill("{{x}}", {x = [[<a href="x"> & ']]}))
    assert.equal("<b> <b>", fill("{{{x}}} {{& x }}", {x = "<b>"}))
    assert.equal("<b>", fill("{{x}}", {x = "<b>"}, {escape = "none"}))
    assert.equal("[1]", fill("{{x}}", {x = 1}, {escape = function (v) return "[" .. v .. "]" end}))
  end)

  it("finds names inside of names", function ()
    assert.equal("1-2--false", fill("{{a.b}}-{{l.2}}-{{none.x}}-{{no}}", {a = {b = 1}, l = {1, 2}, no = false}))
  end)

  it("repeats for each item", function ()
    assert.equal("[a][b]", fill("{{#l}}[{{n}}]{{/l}}", {l = {{n = "a"}, {n = "b"}}}))
    assert.equal("123", fill("{{#l}}{{.}}{{/l}}", {l = {1, 2, 3}}))
    assert.equal("ax bx ", fill("{{#l}}{{n}}{{outer}} {{/l}}", {l = {{n = "a"}, {n = "b"}}, outer = "x"}))
    assert.equal("yes", fill("{{#t}}yes{{/t}}{{#f}}no{{/f}}{{#e}}no{{/e}}{{#none}}no{{/none}}", {t = true, f = false, e = {}}))
    assert.equal("none", fill("{{^l}}none{{/l}}{{^t}}some{{/t}}", {l = {}, t = 1}))
    assert.equal("in", fill("{{#a}}{{b}}{{/a}}", {a = {b = "in"}, b = "out"}))
  end)

  it("leaves no empty lines for tags that stand alone", function ()
    assert.equal("<ul>\n  <li>a\n  <li>b\n</ul>\n",
      fill("<ul>\n{{#l}}\n  <li>{{.}}\n{{/l}}\n{{! said }}\n</ul>\n", {l = {"a", "b"}}))
    assert.equal("a b", fill("a{{! x }} b", {}))
  end)

  it("runs no code and no metamethod of its values", function ()
    local trap = setmetatable({}, {__index = error})
    assert.equal("", fill("{{a.b}}", {a = trap}))
    assert.same({nil, "line 1: `os.exit()` is no name", "invalid_value"}, {template.render("{{os.exit()}}", {})})
  end)

  it("says where a template is wrong", function ()
    for text, message in pairs {["a\n{{#x}}b"] = "line 2: `x` is not closed", ["{{/x}}"] = "line 1: `x` is closed but was not opened",
      ["\n\n{{x"] = "line 3: a tag is not closed", ["{{#a}}{{/b}}"] = "line 1: `b` is closed but was not opened",
      ["{{}}"] = "line 1: `` is no name", ["{{a..b}}"] = "line 1: `a..b` is no name"} do
      local made, why, code = template.compile(text)
      assert.is_nil(made)
      assert.equal(message, why)
      assert.equal("invalid_value", code)
    end
    assert.is_nil((template.compile(("{{#a}}"):rep(100) .. ("{{/a}}"):rep(100))))
    assert.error_matches(function () template.compile("", {escape = "xml"}) end, "escape must be")
  end)

  it("can be filled many times", function ()
    local greet = assert(template.compile "Hello {{name}}")
    assert.equal("Hello A", greet {name = "A"})
    assert.equal("Hello B", greet {name = "B"})
  end)
end)
