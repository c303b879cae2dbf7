local html = require "html"
local json = require "json"
local markdown = require "markdown"
local model = require "model"
local testing = require "testing"

local EVIL = "<script>alert(1)</script>\"'&`|\xFF\0]("

local function full(text)
  return {
    title = text, base = text, scope = "range", note = text, diff = text, notes = text .. "\n- " .. text .. "\n# "
      .. text,
    files = {{path = text, status = text, added = 3, removed = 1}, {path = "b", status = "added", binary = true}},
    marks = {{path = text, line = 1, kind = "secret", text = text, excerpt = text}},
    checks = {{findings = {{path = text, line = 2, tool = text, message = text, severity = "error", rule = text}},
      tools = {text},
               skipped = {{tool = text, reason = text}}}},
  }
end

describe("a report", function ()
  it("lets nothing from outside become markup", function ()
    local page = html.render(model.read(full(EVIL)))
    assert.falsy(page:find("<script", 1, true))
    assert.falsy(page:find("\xFF", 1, true))
    assert.falsy(page:find("\0", 1, true))
    assert.truthy(utf8.len(page))
    local text = markdown.render(model.read(full(EVIL)))
    assert.falsy(text:gsub("`[^\n]*`", ""):find "[^\\]<script")
  end)

  it("loads nothing and runs nothing", function ()
    local page = html.render(model.read(full "x"))
    assert.truthy(page:find("default-src 'none'", 1, true))
    for _, word in ipairs {"http://", "https://", "src=", "@import", "url("} do assert.falsy(page:find(word, 1,
      true)) end
  end)

  it("shows every part that it was given, and only those", function ()
    local page = html.render(model.read(full "thing"))
    for _, head in ipairs {"Marks", "Lint", "Files", "What changed"} do assert.truthy(page:find("<h2>" .. head, 1,
      true)) end
    local bare = html.render(model.read {title = "t"})
    for _, head in ipairs {"Marks", "Lint", "Files", "What changed"} do assert.falsy(bare:find("<h2>" .. head, 1,
      true)) end
    assert.truthy(bare:find("nothing stands out", 1, true))
  end)

  it("takes matches of search.grep and null for a check that failed", function ()
    local null = json.null
    local m = model.read {title = "t", marks = {{path = "a", line = 3, column = 1, text = "x"}}, checks = {null,
      {findings = {}}}, notes = null}
    assert.same({"1 file not checked", "1 match"}, {model.verdicts(m)[2].text, model.verdicts(m)[1].text})
    assert.truthy(markdown.render(m):find("- `a:3` x", 1, true))
  end)

  it("puts the gravest first", function ()
    local m = model.read {
      title = "t", marks = {{path = "a", line = 1, kind = "todo", text = "TODO"}, {path = "z", line = 1,
        kind = "secret", text = "s"}},
    }
    assert.same({"secret", "todo"}, {m.marks[1].kind, m.marks[2].kind})
    assert.same({"1 likely secret", "1 TODO"}, {model.verdicts(m)[1].text, model.verdicts(m)[2].text})
  end)

  it("picks what is worth a line on a terminal", function ()
    local m = model.read {
      title = "t", marks = {{path = "a", line = 1, kind = "todo", message = "TODO x"},
                            {path = "z", line = 2, kind = "secret", message = "s"}},
      checks = {{findings = {
        {path = "b", line = 3, tool = "cc", message = "bad", severity = "error", new = true},
        {path = "b", line = 4, tool = "cc", message = "old", severity = "error", new = false},
        {path = "b", line = 5, tool = "cc", message = "style", severity = "note", new = true},
      }}},
    }
    local lines = {}
    for i, h in ipairs(model.highlights(m)) do lines[i] = ("%s:%d %s"):format(h.path, h.line, h.message) end
    assert.same({"z:2 s", "b:3 bad (cc)", "a:1 TODO x"}, lines)
  end)

  it("is two artifacts and a line", function ()
    local out = assert(testing.call("write", {title = "Review of x", marks = {}}))
    local made = testing.last().artifacts
    assert.same({"report.md", "report.html"}, {made[1].metadata.name, made[2].metadata.name})
    assert.same({made[1].hash, made[2].hash, "nothing stands out"}, {out.markdown["$artifact"], out.html["$artifact"],
      out.summary})
  end)
end)
