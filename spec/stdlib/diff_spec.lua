local diff = require "diff"

--- The new text, made of the old one's kept lines and the added ones; and the old one likewise.
local function both(lines)
  local old, new = {}, {}
  for _, line in ipairs(lines) do
    local text = line.text .. (line.no_newline and "" or "\n")
    if line.kind ~= "+" then old[#old + 1] = text end
    if line.kind ~= "-" then new[#new + 1] = text end
  end
  return table.concat(old), table.concat(new)
end

local function changes(lines)
  local n = 0
  for _, line in ipairs(lines) do if line.kind ~= " " then n = n + 1 end end
  return n
end

--- The fewest changes, by the slow and simple table.
local function fewest(a, b)
  local row = {}
  for j = 0, #b do row[j] = 0 end
  for i = 1, #a do
    local corner = 0
    for j = 1, #b do
      local up = row[j]
      row[j] = a[i] == b[j] and corner + 1 or math.max(up, row[j - 1])
      corner = up
    end
  end
  return #a + #b - 2 * row[#b]
end

describe("diff.lines", function ()
  it("finds what changed", function ()
    local lines = diff.lines("a\nb\nc\n", "a\nx\nc\nd\n")
    local text = {}
    for _, line in ipairs(lines) do text[#text + 1] = line.kind .. line.text end
    assert.same({" a", "-b", "+x", " c", "+d"}, text)
    assert.equal(2, lines[2].old)
    assert.equal(4, lines[5].new)
  end)

  it("finds the fewest changes of random texts, and keeps both texts", function ()
    math.randomseed(7)
    for _ = 1, 300 do
      local a, b = {}, {}
      for i = 1, math.random(0, 30) do a[i] = tostring(math.random(5)) end
      for i = 1, math.random(0, 30) do b[i] = tostring(math.random(5)) end
      local old = table.concat(a, "\n") .. (#a > 0 and "\n" or "")
      local new = table.concat(b, "\n") .. (#b > 0 and "\n" or "")
      local lines = diff.lines(old, new)
      assert.same({old, new}, {both(lines)})
      assert.equal(fewest(a, b), changes(lines))
    end
  end)

  it("tells a missing line end from one that is there", function ()
    local lines = diff.lines("a\nb", "a\nb\n")
    assert.same({"a\nb", "a\nb\n"}, {both(lines)})
    assert.equal(2, changes(lines))
    assert.equal(0, changes(diff.lines("a\nb", "a\nb")))
  end)

  it("stays right where it stops looking for the shortest way", function ()
    local a, b = {}, {}
    for i = 1, 3000 do a[i], b[i] = "a" .. i, "b" .. i end
    a[1500], b[1400] = "same", "same"
    local old, new = table.concat(a, "\n") .. "\n", table.concat(b, "\n") .. "\n"
    assert.same({old, new}, {both(diff.lines(old, new, {max_cost = 10}))})
  end)
end)

describe("diff.unified", function ()
  it("is empty when nothing changed", function () assert.equal("", diff.unified("a\n", "a\n")) end)

  it("writes hunks with context", function ()
    local old, new = {}, {}
    for i = 1, 20 do old[i], new[i] = tostring(i), tostring(i) end
    new[2], new[18] = "two", "eighteen"
    assert.equal([[
--- a/x
+++ b/x
@@ -1,3 +1,3 @@
 1
-2
+two
 3
@@ -17,3 +17,3 @@
 17
-18
+eighteen
 19
]], diff.unified(table.concat(old, "\n") .. "\n", table.concat(new, "\n") .. "\n", {context = 1, from = "a/x", to = "b/x"}))
  end)

  it("counts as diff does where a side is empty", function ()
    assert.equal("--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n", diff.unified("", "x\ny\n"))
    assert.equal("--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n", diff.unified("x", ""))
  end)

  it("writes what patch(1) and parse read", function ()
    local support = require "support"
    local dir = support.tmpdir()
    math.randomseed(11)
    for round = 1, 20 do
      local a, b = {}, {}
      for i = 1, 40 do a[i] = tostring(math.random(9)) end
      for i = 1, 40 do b[i] = math.random(4) == 1 and tostring(math.random(9)) or a[i] end
      local old, new = table.concat(a, "\n") .. (round % 2 == 0 and "\n" or ""), table.concat(b, "\n") .. "\n"
      local patch = diff.unified(old, new, {from = "a/f", to = "b/f", context = round % 4})
      support.write_file(dir .. "/f", old)
      support.write_file(dir .. "/p", patch)
      support.sh("git apply --unidiff-zero p", {cwd = dir})
      assert.equal(new, support.read_file(dir .. "/f"))
      local file = assert(diff.parse(patch))[1]
      local plus = 0
      for _, hunk in ipairs(file.hunks) do
        for _, line in ipairs(hunk.lines) do plus = plus + (line.kind == "+" and 1 or 0) end
      end
      local _, want = patch:gsub("\n%+[^+]", "")
      assert.equal(want, plus)
    end
  end)
end)

describe("diff.parse", function ()
  it("reads Git's headers", function ()
    local files = assert(diff.parse [[
diff --git a/new.txt b/new.txt
new file mode 100644
index 0000000..e69de29
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/from.c b/to.c
similarity index 90%
rename from from.c
rename to to.c
--- a/from.c
+++ b/to.c
@@ -1,2 +1,2 @@ int main(void)
 a
-b
+c
\ No newline at end of file
diff --git a/p.png b/p.png
index 1..2 100644
Binary files a/p.png and b/p.png differ
diff --git "a/\303\251.txt" "b/\303\251.txt"
old mode 100644
new mode 100755
]])
    assert.equal(5, #files)
    assert.same({"added", nil, "new.txt"}, {files[1].status, files[1].old_path, files[1].new_path})
    assert.equal("deleted", files[2].status)
    assert.is_nil(files[2].new_path)
    assert.equal("renamed", files[3].status)
    assert.same({"from.c", "to.c"}, {files[3].old_path, files[3].new_path})
    local hunk = files[3].hunks[1]
    assert.equal("int main(void)", hunk.section)
    assert.same({kind = "+", text = "c", new = 2, no_newline = true}, hunk.lines[3])
    assert.is_true(files[4].binary)
    assert.equal("é.txt", files[5].new_path)
  end)

  it("reads what diff -u writes", function ()
    local files = assert(diff.parse "--- a.txt\t2026-01-01 00:00:00\n+++ b.txt\t2026-01-02\n@@ -1 +1 @@\n--- x\n+++ y\n")
    assert.equal(1, #files)
    assert.equal("a.txt", files[1].old_path)
    assert.equal("-- x", files[1].hunks[1].lines[1].text)
  end)

  it("refuses a hunk that is cut off", function ()
    local files, message, code = diff.parse "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n"
    assert.is_nil(files)
    assert.equal("the last hunk is cut off", message)
    assert.equal("invalid_value", code)
    assert.is_nil((diff.parse "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n*b\n"))
  end)

  it("finds nothing in other text", function () assert.same({}, diff.parse "hello\nworld\n") end)
end)
