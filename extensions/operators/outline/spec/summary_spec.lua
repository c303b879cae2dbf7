local summary = require "summary"
local symbols = require "symbols"

local PATCH = [[
diff --git a/src/pool.c b/src/pool.c
index 1..2 100644
--- a/src/pool.c
+++ b/src/pool.c
@@ -10,3 +10,5 @@ static int pool_grow(struct pool *p)
 {
-    return 0;
+    int n = 1;
+    return n;
 }
+
@@ -30,2 +31,4 @@ int pool_free(struct pool *p)
 x
+int pool_new(void)
+{
 y
diff --git a/docs/old.md b/docs/new.md
similarity index 90%
rename from docs/old.md
rename to docs/new.md
--- a/docs/old.md
+++ b/docs/new.md
@@ -1 +1,2 @@
 # Title
+## More
diff --git a/logo.png b/logo.png
new file mode 100644
index 0..1
Binary files /dev/null and b/logo.png differ
diff --git a/spec/a_spec.lua b/spec/a_spec.lua
deleted file mode 100644
--- a/spec/a_spec.lua
+++ /dev/null
@@ -1,2 +0,0 @@
--- a comment that looks like a header
-local function gone() end
]]

describe("an outline", function ()
  it("says that nothing changed", function ()
    assert.same({"Nothing changed.", "nothing changed"}, {summary.text("", 30)})
  end)

  it("names files, sizes, areas and symbols, largest change first", function ()
    assert.equal([[
4 files changed: +6 −3 (1 new, 1 deleted, 1 renamed).
By area: source +5 −1, tests +0 −2, docs +1 −0.

- `src/pool.c` +5 −1: changes `pool_grow`, `pool_free`; adds `pool_new`
- `spec/a_spec.lua` deleted, +0 −2
- `docs/new.md` (was `docs/old.md`) +1 −0: adds `More`
- `logo.png`: new binary]], (summary.text(PATCH, 30)))
  end)

  it("says when the patch is only a part", function ()
    assert.truthy((summary.text(PATCH, 30, true)):find("The first 4 files changed", 1, true))
  end)

  it("is the same text each time, and cut where asked", function ()
    assert.equal(summary.text(PATCH, 30), summary.text(PATCH, 30))
    assert.truthy(summary.text(PATCH, 1):find("- and 3 smaller files", 1, true))
  end)
end)

describe("symbols", function ()
  it("are found in the languages people use", function ()
    local cases = {
      {"c", "static int foo(int x)", "foo"}, {"c", "    if (x) {", nil}, {"c", "    foo(x);", nil}, {"h",
        "#define MAX 3", "MAX"},
      {"lua", "local function f()", "f"}, {"lua", "function M.g(x)", "M.g"}, {"py", "    async def run(self):", "run"},
      {"rs", "pub fn go(x: u8) -> u8 {", "go"}, {"go", "func (s *S) Do() {", "Do"}, {"ts", "export interface Shape {",
        "Shape"},
      {"js", "export async function load() {", "load"}, {"rb", "  def each?", "each?"}, {"txt", "def x()", nil},
    }
    for _, case in ipairs(cases) do assert.equal(case[3], symbols.defined(case[1], case[2]), case[2]) end
  end)
end)
