--- What the git operator does in places that a test of its own cannot be in: other folders, hostile repositories.
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
  it("says that a bare repository has no working tree", function ()
    local dir = support.tmpdir()
    support.sh("git init -q --bare .", {cwd = dir})
    local _, message, code = git_of(dir).diff {}
    assert.truthy(message:find "bare")
    assert.equal("not_found", code)
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

  it("leaves the repository as it was", function ()
    local git, dir = repository "echo a >f && git add . && git commit -qm one && echo b >f && touch -d 2001-01-01 f"
    local before = support.sh("find .git -type f -printf '%p %T@ %s\\n' | sort", {cwd = dir})
    assert(git.diff {base = "auto"})
    assert(git.status {})
    assert.same(before, support.sh("find .git -type f -printf '%p %T@ %s\\n' | sort", {cwd = dir}))
  end)
end)
