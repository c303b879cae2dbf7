local git = require "init"
local testing = require "testing"

local function repository(script)
  testing.real "git"
  testing.sh("git init -q -b main . && git config user.email a@b && git config user.name Ann && " .. (script or "true"))
  return git
end

local function paths(files)
  local list = {}
  for _, file in ipairs(files) do list[#list + 1] = file.status .. " " .. file.path end
  table.sort(list)
  return list
end

describe("the git operator", function ()
  it("says that a folder is no repository", function ()
    testing.real "git"
    for _, name in ipairs {"status", "diff", "log", "show"} do
      local out, message, code = git[name] {}
      assert.same({nil, "this folder is not inside a Git repository", "not_found"}, {out, message, code})
    end
  end)

  it("treats all files as new before the first commit", function ()
    repository "printf 'a\\nb\\n' >one && git add one && echo c >two"
    local d = assert(git.diff {base = "auto"})
    assert.same({"added one", "untracked two"}, paths(d.files))
    assert.same({"2 files +3 −0", "there is no commit yet, so all files are new"}, {d.stat, d.note})
    assert.same({{path = "one", ranges = {{1, 2}}}, {path = "two", ranges = {{1, 1}}}}, d.present)
    assert.same({}, git.log({}).commits)
  end)

  it("is empty in an empty repository", function ()
    repository()
    local d = assert(git.diff {base = "auto"})
    assert.same({{}, "", "no changes"}, {d.files, d.patch, d.stat})
  end)

  it("compares the working tree with a revision, new files included unless told otherwise", function ()
    repository "echo a >f && git add . && git commit -qm one && echo b >>f && echo n >new"
    assert.same({"modified f", "untracked new"}, paths(assert(git.diff {}).files))
    assert.same({"modified f"}, paths(assert(git.diff {untracked = false}).files))
    local d = assert(git.diff {base = "auto", paths = {"f"}})
    assert.same({"modified f"}, paths(d.files))
    assert.same({"HEAD", "working tree", {{2, 2}}}, {d.base, d.scope, d.files[1].ranges})
  end)

  it("takes ranges, and names a revision that is not there", function ()
    repository "echo a >f && git add . && git commit -qm one && echo b >f && git commit -qam two"
    assert.same({"modified f"}, paths(assert(git.diff {base = "HEAD~1..HEAD"}).files))
    local out, message, code = git.diff {base = "nowhere"}
    assert.same({nil, "there is no revision `nowhere` here", "not_found"}, {out, message, code})
    assert.equal("not_found", select(3, git.diff {base = "--output=x"}))
    assert.equal("not_found", select(3, git.diff {base = "a..b"}))
  end)

  it("keeps names that are no UTF-8, and marks binary files", function ()
    repository [[printf 'x\n' >"$(printf 'caf\351')" && printf 'a\0b' >bin && git add . &&
      git commit -qm one &&
      printf 'y\n' >>"$(printf 'caf\351')" && printf 'c\0d' >bin && printf '\0' >new.bin]]
    local d = assert(git.diff {})
    assert.same({"modified bin", "modified caf\xE9", "untracked new.bin"}, paths(d.files))
    assert.same({{path = "caf\xE9", ranges = {{2, 2}}}}, d.present)
  end)

  it("shows commits, files at a revision, and who wrote a line", function ()
    repository "echo a >f && git add . && git commit -qm one -m why && echo b >>f && git commit -qam two"
    local log = assert(git.log {max = 1}).commits
    assert.same({1, "two", "Ann"}, {#log, log[1].subject, log[1].author})
    local c = assert(git.show {revision = "HEAD~1"})
    assert.same({"one", "why"}, {c.subject, c.body})
    assert.truthy(c.patch:find("new file mode", 1, true))
    assert.equal("a\n", assert(git.show {revision = "HEAD~1", path = "f"}).content)
    assert.equal("not_found", select(3, git.show {path = "nothing"}))
    local lines = assert(git.blame {path = "f", from = 2}).lines
    assert.same({1, 2, "two", "b"}, {#lines, lines[1].line, lines[1].subject, lines[1].text})
  end)
end)
