local parse = require "parse"

local A, B = ("a"):rep(40), ("b"):rep(40)

describe("git's raw diff", function ()
  it("keeps paths as bytes, counts lines, and knows renames, binaries and submodules", function ()
    local files = parse.raw_numstat(table.concat({
      (":100644 100644 %s %s M"):format(A, B), "caf\xE9 \n\t\"x\".c",
      (":100644 100644 %s %s R087"):format(A, B), "old name", "new name",
      (":000000 100644 %s %s A"):format(A, B), "logo.png",
      (":160000 160000 %s %s M"):format(A, B), "vendor/lib",
      "3\t1\tcaf\xE9 \n\t\"x\".c", "2\t0\t", "old name", "new name", "-\t-\tlogo.png", "1\t1\tvendor/lib", "",
    }, "\0"))
    assert.same({
      {path = "caf\xE9 \n\t\"x\".c", status = "modified", added = 3, removed = 1},
      {path = "new name", old_path = "old name", status = "renamed", added = 2, removed = 0},
      {path = "logo.png", status = "added", binary = true},
      {path = "vendor/lib", status = "modified", submodule = true, added = 1, removed = 1},
    }, files)
  end)

  it("is empty for nothing", function ()
    assert.same({}, parse.raw_numstat "")
  end)
end)

describe("git's status", function ()
  it("reads branch, distance and each kind of entry", function ()
    local s = parse.status(table.concat({
      "# branch.oid " .. A, "# branch.head main", "# branch.upstream origin/main", "# branch.ab +2 -1",
      ("1 .M N... 100644 100644 100644 %s %s a b.c"):format(A, A),
      ("1 A. N... 000000 100644 100644 %s %s new.c"):format(A, A),
      ("2 R. N... 100644 100644 100644 %s %s R100 to"):format(A, A), "from",
      ("u UU N... 100644 100644 100644 100644 %s %s %s both"):format(A, A, A),
      "? odd\xFFname", "",
    }, "\0"))
    assert.same({"main", "origin/main", 2, 1, false}, {s.branch, s.upstream, s.ahead, s.behind, s.clean})
    assert.same({
      {path = "a b.c", status = "modified", staged = false},
      {path = "new.c", status = "added", staged = true},
      {path = "to", old_path = "from", status = "renamed", staged = true},
      {path = "both", status = "conflicted", staged = false},
      {path = "odd\xFFname", status = "untracked", staged = false},
    }, s.files)
  end)

  it("has no commit and no branch where there is none", function ()
    local s = parse.status("# branch.oid (initial)\0# branch.head (detached)\0")
    assert.same({nil, nil, true}, {s.commit, s.branch, s.clean})
  end)
end)

describe("commits", function ()
  it("are read field by field, with any text in them", function ()
    local list = parse.commits(table.concat({A, B .. " " .. A, "Ann", "a@b", "2026-01-02T03:04:05Z", "subject",
      "body\n\nmore\n", ""},
      "\0") .. "\n" .. table.concat({B, "", "Bo", "", "2026-01-01T00:00:00Z", "", "", ""}, "\0") .. "\n")
    assert.equal(2, #list)
    assert.same({A, {B, A}, "subject", "body\n\nmore"}, {list[1].hash, list[1].parents, list[1].subject, list[1].body})
    assert.same({B, {}, ""}, {list[2].hash, list[2].parents, list[2].subject})
  end)
end)

describe("blame", function ()
  it("gives each line its commit, also where the text looks like a header", function ()
    local lines = parse.blame(("%s 1 1 2\nauthor Ann\nauthor-time 0\nsummary first\n\tauthor me\n%s 2 2\nauthor Ann\n"
      .. "author-time 86400\nsummary first\n\t\n"):format(A, A))
    assert.same({
      {hash = A, line = 1, author = "Ann", date = "1970-01-01T00:00:00Z", subject = "first", text = "author me"},
      {hash = A, line = 2, author = "Ann", date = "1970-01-02T00:00:00Z", subject = "first", text = ""},
    }, lines)
  end)
end)

describe("ranges of a patch", function ()
  it("are the added lines of each file", function ()
    local ranges = parse.ranges([[
diff --git a/x.c b/x.c
--- a/x.c
+++ b/x.c
@@ -1,3 +1,4 @@
 one
+two
+three
-gone
 four
@@ -10 +11,2 @@ int f(void)
 ten
+eleven
diff --git a/y b/y
--- a/y
+++ b/y
@@ -1 +1 @@
---- not a header
++++ not one either
\ No newline at end of file
]])
    assert.same({["x.c"] = {{2, 3}, {12, 12}}, y = {{1, 1}}}, ranges)
  end)

  it("unquotes odd names", function ()
    assert.same({["a\tb\xE9"] = {{1, 1}}}, parse.ranges('--- /dev/null\n+++ "b/a\\tb\\351"\n@@ -0,0 +1 @@\n+x\n'))
  end)
end)

describe("a new file's patch", function ()
  it("has every line, and says where the last one has no end", function ()
    local patch, lines = parse.new_file_patch("n", "a\nb")
    assert.equal(2, lines)
    assert.truthy(patch:find("@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n", 1, true))
    assert.same({n = {{1, 2}}}, parse.ranges(patch))
  end)

  it("quotes a path that would break its line", function ()
    local path = 'new\n"li\\ne\1.js'
    local patch = parse.new_file_patch(path, "a\n")
    assert.truthy(patch:find([[+++ "b/new\n\"li\\ne\001.js"]] .. "\n", 1, true))
    assert.same({[path] = {{1, 1}}}, parse.ranges(patch))
  end)

  it("does not show binary content", function ()
    local patch, lines, binary = parse.new_file_patch("n", "a\0b")
    assert.same({0, true}, {lines, binary})
    assert.falsy(patch:find("\0", 1, true))
  end)
end)

describe("cutting a patch", function ()
  it("leaves whole files", function ()
    local one, two = "diff --git a/1 b/1\n+x\n", "diff --git a/2 b/2\n+y\n"
    assert.same({one, true}, {parse.cut_patch(one .. two, #one + 5)})
    assert.same({one .. two, false}, {parse.cut_patch(one .. two, 1000)})
  end)

  it("cuts the first file at a line when it alone is too large", function ()
    assert.same({"diff --git a/1 b/1\n+x\n", true}, {parse.cut_patch("diff --git a/1 b/1\n+x\n+yyyyyyy\n", 25)})
  end)
end)
