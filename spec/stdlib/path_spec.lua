local path = require "path"

describe("path", function ()
  it("joins", function ()
    assert.equal("a/b/c", path.join("a", "b", "c"))
    assert.equal("a/b", path.join("a/", "", "b"))
    assert.equal("/b", path.join("a", "/b"))
    assert.equal("", path.join())
    assert.equal("a", path.join("", "a"))
  end)

  it("makes paths normal", function ()
    for from, to in pairs {["a//b/./c"] = "a/b/c", ["a/../b"] = "b", ["../a"] = "../a", ["a/../../b"] = "../b",
      ["/../a"] = "/a", ["/"] = "/", [""] = ".", ["./"] = ".", ["a/.."] = ".", ["../.."] = "../.."} do
      assert.equal(to, path.normal(from))
    end
  end)

  it("takes paths apart", function ()
    assert.same({"a", "b"}, path.split "/a//b/")
    for whole, parts in pairs {["/a/b.c"] = {"/a", "b.c"}, a = {".", "a"}, ["/a"] = {"/", "a"}, ["a/b//"] = {"a", "b"},
      ["/"] = {"/", "/"}, ["a//b"] = {"a", "b"}} do
      assert.same(parts, {path.dirname(whole), path.basename(whole)})
    end
    assert.equal(".gz", path.extension "x/a.tar.gz")
    assert.equal("a.tar", path.stem "x/a.tar.gz")
    assert.equal("", path.extension ".bashrc")
    assert.equal(".bashrc", path.stem ".bashrc")
    assert.equal("", path.extension "a.d/b")
  end)

  it("finds the way from one folder", function ()
    assert.equal("b/c", path.relative("a/b/c", "a"))
    assert.equal("../x", path.relative("a/x", "a/b"))
    assert.equal(".", path.relative("/a", "/a/"))
    assert.equal("../..", path.relative(".", "a/b"))
    assert.equal("a", path.relative("a", "."))
    assert.is_nil((path.relative("/a", "a")))
    assert.is_nil((path.relative("a", "../b")))
    assert.is_true(path.is_absolute "/a")
    assert.is_false(path.is_absolute "a")
  end)
end)
