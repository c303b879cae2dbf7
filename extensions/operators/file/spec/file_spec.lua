local file = require "init"
local glob = require "glob"
local testing = require "testing"

local function paths(out)
  local list = {}
  for _, one in ipairs(out.files) do list[#list + 1] = one.path end
  return list
end

describe("a glob", function ()
  it("is written out of its braces", function ()
    local list = glob.expand "a{b,c{d,e}}f"
    table.sort(list)
    assert.same({"abf", "acdf", "acef"}, list)
    assert.is_nil(glob.expand(("{a,b}"):rep(20)))
  end)
end)

describe("the file operator", function ()
  it("reads, writes and makes folders", function ()
    assert.equal("not_found", select(3, file.read {path = "x"}))
    assert.equal("invalid_value", select(3, file.read {path = "."}))
    assert.same({"a/b/x", 3}, {assert(file.write {path = "a/b/x", content = "\xFF\0y"}).path, 3})
    assert.same({content = "\xFF\0y", size = 3, summary = "3 bytes"}, file.read {path = "a/b/x"})
  end)

  it("lists and globs by name", function ()
    for _, path in ipairs {"b.c", "a.c", "sub/c.c", "sub/deep/d.h", ".hidden.c"} do file.write {path = path,
      content = "x"} end
    assert.same({".hidden.c", "a.c", "b.c", "sub"}, paths(file.list {}))
    assert.same({"sub/c.c", "sub/deep"}, paths(file.list {path = "sub/"}))
    assert.same({".hidden.c", "a.c", "b.c"}, paths(file.glob {pattern = "*.c"}))
    assert.same({".hidden.c", "a.c", "b.c", "sub/c.c", "sub/deep/d.h"}, paths(file.glob {pattern = "**/*.{c,h}"}))
    assert.same({"sub/c.c", "sub/deep/d.h"}, paths(file.glob {pattern = "sub/**"}))
    assert.same({".hidden.c"}, paths(file.glob {pattern = ".*.c"}))
  end)

  it("says what is there", function ()
    assert.is_false(file.stat({path = "x"}).exists)
    file.write {path = "x", content = "abc"}
    local s = file.stat {path = "x"}
    assert.same({true, "file", 3}, {s.exists, s.type, s.size})
    assert.truthy(s.modified_at:match "^%d%d%d%d%-%d%d%-%d%dT")
  end)

  it("copies and moves, and replaces only when told", function ()
    file.write {path = "x", content = "1"}
    file.write {path = "y", content = "2"}
    assert.equal("invalid_value", select(3, file.copy {from = "x", to = "y"}))
    assert.equal("invalid_value", select(3, file.move {from = "x", to = "y"}))
    assert(file.copy {from = "x", to = "y", overwrite = true})
    assert.equal("1", file.read({path = "y"}).content)
    assert(file.move {from = "y", to = "n/z"})
    assert.is_false(file.stat({path = "y"}).exists)
    assert.equal("1", file.read({path = "n/z"}).content)
    assert.equal("not_found", select(3, file.move {from = "gone", to = "q"}))
  end)

  it("removes, a full folder only when told, and twice without error", function ()
    file.write {path = "d/e/x", content = "1"}
    assert.equal("invalid_value", select(3, file.remove {path = "d"}))
    assert.equal("invalid_value", select(3, file.remove {path = "."}))
    assert.equal(3, assert(file.remove {path = "d", recursive = true}).removed)
    assert.equal(0, assert(file.remove {path = "d", recursive = true}).removed)
  end)

  it("reaches nothing that was not granted", function ()
    assert.equal("permission_denied", select(3, testing.call("read", {path = "/etc/passwd"})))
    assert.equal("permission_denied", select(3, testing.call("write", {path = ".git/config", content = ""})))
  end)
end)
