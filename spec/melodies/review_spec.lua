local json = require "sy.json"
local support = require "support"

local TWO_COMMITS = "echo a >a && git add . && git commit -qm one && echo b >b && git add . && git commit -qm two"

local function repository(script)
  local dir = support.tmpdir()
  support.sh("git init -q -b main . && git config user.email a@b && git config user.name Ann && " .. (script or "true"),
    {cwd = dir})
  return dir
end

local function review(dir, ...)
  local r = support.symphony({"run", "review", "--json", ...}, {cwd = dir})
  return r.out ~= "" and json.decode(r.out) or nil, r
end

--- The report's text.
local function report(dir, run, form)
  local r = support.symphony({"artifact", "cat", run.outputs.report[form]["$artifact"]}, {cwd = dir})
  assert.equal(0, r.code, r.err)
  return r.out
end

describe("the review melody", function ()
  it("says that there is no repository", function ()
    local run, r = review(support.tmpdir())
    assert.equal(1, r.code)
    assert.equal("failed", run.status)
    assert.truthy(r.out:find("not inside a Git repository", 1, true))
  end)

  it("reports marks, lint findings and what changed, and hides the secret", function ()
    local secret = "AKIA" .. "QYLPMN5HFIQR7BGC"
    local dir = repository "printf 'int f(void);\n' >a.c && git add . && git commit -qm one"
    support.write_file(dir .. "/a.c",
      ("int f(void);\n/* TODO: handle EINTR */\nconst char *k = \"%s\";\n"):format(secret))
    support.write_file(dir .. "/new.json", "{\n")
    local run, r = review(dir)
    assert.equal(0, r.code, r.err)
    assert.equal("completed", run.status)
    local seen = {}
    for _, h in ipairs(run.outputs.highlights) do seen[("%s:%d %s"):format(h.path, h.line, h.message)] = true end
    assert.is_true(seen["a.c:3 likely secret: AWS key"])
    assert.is_true(seen["a.c:2 TODO handle EINTR"])
    local html, markdown = report(dir, run, "html"), report(dir, run, "markdown")
    for _, text in ipairs {html, markdown, r.out} do assert.falsy(text:find(secret, 1, true)) end
    assert.truthy(markdown:find("`a.c` +2 −0", 1, true))
    assert.truthy(html:find("new.json", 1, true))
    assert.truthy(html:find("HEAD → working tree", 1, true))
  end)

  it("leaves the repository's status as it was", function ()
    local dir = repository "echo a >a && git add . && git commit -qm one && echo b >a && echo c >new"
    local before = support.sh("git status --porcelain", {cwd = dir}).out
    assert.equal(0, select(2, review(dir)).code)
    assert.equal(before, support.sh("git status --porcelain", {cwd = dir}).out)
  end)

  it("takes the last commit of a clean tree, and says so", function ()
    local dir = repository(TWO_COMMITS)
    local run = review(dir)
    assert.equal("nothing is changed in the working tree, so this is the last commit", run.outputs.note)
    local markdown = report(dir, run, "markdown")
    assert.truthy(markdown:find("> nothing is changed", 1, true))
    assert.truthy(markdown:find("| `b` | added |", 1, true))
    assert.falsy(markdown:find("| `a` |", 1, true))
  end)

  it("takes the whole tree of a repository with one commit, and of a shallow clone", function ()
    local dir = repository(TWO_COMMITS)
    local clone = support.tmpdir()
    support.sh("git clone -q --depth 1 file://" .. dir .. " c", {cwd = clone})
    local run = review(clone .. "/c")
    assert.truthy(run.outputs.note:find("whole tree", 1, true))
    assert.truthy(report(clone .. "/c", run, "markdown"):find("| `a` | added |", 1, true))
  end)

  it("has a sensible answer for an empty repository", function ()
    local dir = repository()
    local run, r = review(dir)
    assert.same({0, "completed"}, {r.code, run.status})
    assert.equal("there is no commit yet, so all files are new", run.outputs.note)
  end)

  it("gets along with binary files, odd names and files that are no UTF-8", function ()
    local dir = repository [[printf 'a\n' >"$(printf 'caf\351.lua')" && printf 'a\0b' >bin && git add . &&
      git commit -qm one && printf 'local x = 1 -- TODO \351\n' >"$(printf 'caf\351.lua')" && printf 'c\0d' >bin &&
      printf 'x\n' >"$(printf 'new\nline')" && printf 'x\n' >-dash.sh]]
    local run, r = review(dir)
    assert.same({0, "completed"}, {r.code, run.status})
    assert.truthy(utf8.len(report(dir, run, "html")))
    assert.truthy(report(dir, run, "markdown"):find("| `bin` | modified | binary |", 1, true))
  end)

  it("compares with the base it is given, and names one that is not there", function ()
    local dir = repository(TWO_COMMITS)
    local run = review(dir, "-p", "base=HEAD~1")
    assert.truthy(report(dir, run, "markdown"):find("HEAD\\~1 → working tree", 1, true))
    local _, r = review(dir, "-p", "base=nowhere")
    assert.equal(1, r.code)
    assert.truthy(r.out:find("there is no revision `nowhere` here", 1, true))
  end)
end)
