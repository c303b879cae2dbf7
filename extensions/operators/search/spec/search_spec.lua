local search = require "init"
local testing = require "testing"

local function found(out)
  local list = {}
  for _, m in ipairs(out.matches) do list[#list + 1] = ("%s:%d:%d:%s"):format(m.path, m.line, m.column, m.text) end
  table.sort(list)
  return list
end

describe("search.grep", function ()
  before_each(function ()
    testing.files {
      ["a.txt"] = "one\ntwo needle\n\nneedle three\nneedle needle", ["ignored.log"] = "needle",
      ["node_modules/x.js"] = "needle", bin = "needle\0",
    }
    testing.real "git"
  end)

  it("refuses a pattern that is none", function ()
    local out, message, code = search.grep({pattern = "("}, testing.ctx())
    assert.same({nil, "invalid_value"}, {out, code})
    assert.truthy(message:find "pattern")
  end)

  it("finds each matching line once, with its place", function ()
    local out = search.grep({pattern = "needle", paths = {"a.txt"}}, testing.ctx())
    assert.same({"a.txt:2:5:two needle", "a.txt:4:1:needle three", "a.txt:5:1:needle needle"}, found(out))
    assert.same({"a.txt:4:8:needle three"}, found(search.grep({pattern = "th?ree$",
      paths = {{path = "a.txt"}}}, testing.ctx())))
  end)

  it("walks where there is no repository, leaving out what is not source", function ()
    local out = search.grep({pattern = "needle$"}, testing.ctx())
    assert.same({"a.txt:2:5:two needle", "a.txt:5:8:needle needle", "ignored.log:1:1:needle"}, found(out))
  end)

  it("leaves out what Git ignores", function ()
    testing.sh("git init -q . && echo '*.log' >.gitignore && echo node_modules >>.gitignore && git add a.txt")
    assert.same({"a.txt:4:1:needle three"}, found(search.grep({pattern = "^NEEDLE t", ignore_case = true},
      testing.ctx())))
    assert.same({"ignored.log:1:1:needle"}, found(search.grep({pattern = "needle", paths = {"ignored.log"}},
      testing.ctx())))
  end)

  it("says when there is more", function ()
    local out = search.grep({pattern = "needle", max = 2, paths = {"a.txt"}}, testing.ctx())
    assert.same({2, true}, {#out.matches, out.truncated})
    assert.is_false(search.grep({pattern = "needle", max = 3, paths = {"a.txt"}}, testing.ctx()).truncated)
  end)

  it("searches nothing when it is given no path", function ()
    assert.same({}, search.grep({pattern = "needle", paths = {}}, testing.ctx()).matches)
  end)
end)

describe("search.marks", function ()
  it("looks at the files and lines it is given", function ()
    testing.files {["x.c"] = "// TODO old\n// TODO new\n"}
    local out = search.marks({paths = {{path = "x.c", ranges = {{2, 2}}}, {path = "gone.c"}}}, testing.ctx())
    assert.same({"1 TODO", 1, "TODO new"}, {out.summary, #out.marks, out.marks[1].message})
  end)
end)
