local extension = require "extension"
local support = require "support"

local function git_of(dir)
  return extension.loader("extensions/operators/git", extension.library(dir)) "init"
end

local function repository(script)
  local dir = support.tmpdir()
  support.sh("git init -q -b main . && git config user.email a@b && git config user.name Ann && " .. (script
    or "true"), {cwd = dir})
  return git_of(dir), dir
end

local function paths(files)
  local list = {}
  for _, file in ipairs(files) do list[#list + 1] = file.status .. " " .. file.path end
  table.sort(list)
  return list
end

describe("the git operator", function ()
  it("says that a folder is no repository", function ()
    local git = git_of(support.tmpdir())
    for _, name in ipairs {"status", "diff", "log", "show"} do
      local out, message, code = git[name] {}
      assert.same({nil, "this folder is not inside a Git repository", "not_found"}, {out, message, code})
    end
  end)

  it("says that a bare repository has no working tree", function ()
    local dir = support.tmpdir()
    support.sh("git init -q --bare .", {cwd = dir})
    local _, message, code = git_of(dir).diff {}
    assert.truthy(message:find "bare")
    assert.equal("not_found", code)
  end)

  it("treats all files as new before the first commit", function ()
    local git = repository "printf 'a\\nb\\n' >one && git add one && echo c >two"
    local d = assert(git.diff {base = "auto"})
    assert.same({"added one", "untracked two"}, paths(d.files))
    assert.same({"2 files +3 −0", "there is no commit yet, so all files are new"}, {d.stat, d.note})
    assert.same({{path = "one", ranges = {{1, 2}}}, {path = "two", ranges = {{1, 1}}}}, d.present)
    assert.same({}, git.log({}).commits)
  end)

  it("is empty in an empty repository", function ()
    local d = assert(repository().diff {base = "auto"})
    assert.same({{}, "", "no changes"}, {d.files, d.patch, d.stat})
  end)

  it("compares the working tree with a revision, new files included unless told otherwise", function ()
    local git = repository "echo a >f && git add . && git commit -qm one && echo b >>f && echo n >new"
    assert.same({"modified f", "untracked new"}, paths(assert(git.diff {}).files))
    assert.same({"modified f"}, paths(assert(git.diff {untracked = false}).files))
    local d = assert(git.diff {base = "auto", paths = {"f"}})
    assert.same({"modified f"}, paths(d.files))
    assert.same({"HEAD", "working tree", {{2, 2}}}, {d.base, d.scope, d.files[1].ranges})
  end)

  it("takes the last commit on a clean tree, and the whole tree when there is only one", function ()
    local git, dir = repository "echo a >f && git add . && git commit -qm one"
    local d = assert(git.diff {base = "auto"})
    assert.same({"whole tree", "there is only one commit, so this is the whole tree"}, {d.scope, d.note})
    assert.same({"added f"}, paths(d.files))
    support.sh("echo b >g && git add . && git commit -qm two", {cwd = dir})
    d = assert(git.diff {base = "auto"})
    assert.same({"last commit", "HEAD^"}, {d.scope, d.base})
    assert.same({"added g"}, paths(d.files))
    local clone = support.tmpdir()
    support.sh("git clone -q --depth 1 file://" .. dir .. " c", {cwd = clone})
    d = assert(git_of(clone .. "/c").diff {base = "auto"})
    assert.truthy(d.note:find("shallow clone", 1, true))
    assert.same({"added f", "added g"}, paths(d.files))
  end)

  it("takes ranges, and names a revision that is not there", function ()
    local git = repository "echo a >f && git add . && git commit -qm one && echo b >f && git commit -qam two"
    assert.same({"modified f"}, paths(assert(git.diff {base = "HEAD~1..HEAD"}).files))
    local out, message, code = git.diff {base = "nowhere"}
    assert.same({nil, "there is no revision `nowhere` here", "not_found"}, {out, message, code})
    assert.equal("not_found", select(3, git.diff {base = "--output=x"}))
    assert.equal("not_found", select(3, git.diff {base = "a..b"}))
  end)

  it("keeps names that are no UTF-8, and marks binary files", function ()
    local git = repository [[printf 'x\n' >"$(printf 'caf\351')" && printf 'a\0b' >bin && git add . &&
      git commit -qm one &&
      printf 'y\n' >>"$(printf 'caf\351')" && printf 'c\0d' >bin && printf '\0' >new.bin]]
    local d = assert(git.diff {})
    assert.same({"modified bin", "modified caf\xE9", "untracked new.bin"}, paths(d.files))
    assert.same({{path = "caf\xE9", ranges = {{2, 2}}}}, d.present)
  end)

  it("gives paths of the folder it stands in", function ()
    local git,
      dir = repository [[mkdir sub && echo a >top && echo a >sub/f && git add . && git commit -qm one &&
      echo b >top && echo b >sub/f]]
    assert.same({"modified f"}, paths(assert(git_of(dir .. "/sub").diff {}).files))
    assert.same({"modified f"}, paths(assert(git_of(dir .. "/sub").status {}).files))
    assert.same({"modified sub/f", "modified top"}, paths(assert(git.status {}).files))
  end)

  it("runs no program that the repository names", function ()
    local git,
      dir = repository [[echo '* filter=evil diff=evil' >.gitattributes && echo a >f && git add . &&
      git commit -qm one &&
      printf '#!/bin/sh\ntouch %s/ran\ncat\n' "$PWD" >.git/evil && chmod +x .git/evil && mkdir .git/h &&
      cp .git/evil .git/h/post-index-change && git config core.fsmonitor "$PWD/.git/evil" &&
      git config core.hooksPath .git/h &&
      git config diff.external "$PWD/.git/evil" &&
      git config diff.evil.textconv "$PWD/.git/evil" &&
      git config diff.evil.command "$PWD/.git/evil" &&
      git config filter.evil.clean "$PWD/.git/evil" && git config filter.evil.process "$PWD/.git/evil" &&
      git config core.pager "$PWD/.git/evil" && printf 'b\n' >f]]
    local d = assert(git.diff {})
    assert.same({"modified f"}, paths(d.files))
    assert.truthy(d.patch:find("+b\n", 1, true))
    assert(git.status {})
    assert(git.diff {base = "auto"})
    assert(git.show {})
    assert(git.blame {path = "f"})
    assert.is_false(support.exists(dir .. "/ran"))
  end)

  it("shows commits, files at a revision, and who wrote a line", function ()
    local git = repository "echo a >f && git add . && git commit -qm one -m why && echo b >>f && git commit -qam two"
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

  it("leaves the repository as it was", function ()
    local git, dir = repository "echo a >f && git add . && git commit -qm one && echo b >f && touch -d 2001-01-01 f"
    local before = support.sh("find .git -type f -printf '%p %T@ %s\\n' | sort", {cwd = dir})
    assert(git.diff {base = "auto"})
    assert(git.status {})
    assert.same(before, support.sh("find .git -type f -printf '%p %T@ %s\\n' | sort", {cwd = dir}))
  end)
end)
