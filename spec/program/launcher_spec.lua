-- The launcher, with a cmake of our own in PATH, which makes a program that prints the tree's core/version.
local support = require "support"

local CMAKE = [[#!/bin/sh
echo "cmake $*" >>"$CALLS"
echo "noise"
case "$*" in
*--preset*) touch "$TREE/build/release/build.ninja" ;;
*--build*)
    if [ -e "$TREE/core/broken" ]; then echo "core/broken: error" >&2; exit 1; fi
    printf '#!/bin/sh\necho "%s $(pwd) $*"\nexit 7\n' "$(cat "$TREE/core/version")" >"$TREE/build/release/symphony"
    chmod +x "$TREE/build/release/symphony" ;;
esac
]]

local tree, elsewhere, env

local function launch(argv, program)
  return support.run({program or tree .. "/symphony", table.unpack(argv)}, {cwd = elsewhere, env = env})
end

local function calls() return support.read_file(tree .. "/calls") or "" end

local function edit(name, text) support.write_file(tree .. "/core/" .. name, text) end

describe("the launcher", function ()
  before_each(function ()
    tree, elsewhere = support.tmpdir(), support.tmpdir()
    support.write_file(tree .. "/bin/cmake", CMAKE)
    edit("version", "one")
    support.sh(([[
      cp symphony '%s/'; mkdir '%s/cmake'; cp cmake/packages.sh cmake/packages.txt '%s/cmake/'; chmod +x '%s/bin/cmake'
      touch -d '1 hour ago' '%s/core' '%s/core/version' '%s/cmake' '%s'/cmake/*
    ]]):gsub("%%s", tree), {cwd = support.root})
    env = {PATH = tree .. "/bin:" .. os.getenv "PATH", TREE = tree, CALLS = tree .. "/calls"}
  end)

  it("builds, runs in the caller's folder, and keeps stdout and the exit code the program's own", function ()
    local r = launch {"a", "b c"}
    assert.same({7, "one " .. elsewhere .. " a b c\n"}, {r.code, r.out})
    assert.truthy(r.err:find "configuring %.%.%. %d+%.%d s\nsymphony: building %.%.%. %d+%.%d s\n$")
  end)

  it("builds nothing and says nothing when no source changed", function ()
    launch {}
    local before = calls()
    local r = launch {"again"}
    assert.same({"one " .. elsewhere .. " again\n", "", before}, {r.out, r.err, calls()})
  end)

  it("builds again when a source changed or went away, without configuring", function ()
    launch {}
    edit("version", "two")
    local r = launch {}
    assert.equal("two " .. elsewhere .. " \n", r.out)
    assert.falsy(r.err:find "configuring")
    edit("extra", "")
    launch {}
    local before = calls()
    os.remove(tree .. "/core/extra")
    launch {}
    assert.not_equal(before, calls())
  end)

  it("works through links, and install --user makes one", function ()
    local home = support.tmpdir()
    env.HOME = home
    assert.equal(0, launch({"install", "--user"}).code)
    assert.equal(0, launch({"install", "--user"}).code)
    local r = launch({"x"}, home .. "/.local/bin/symphony")
    assert.equal("one " .. elsewhere .. " x\n", r.out)
  end)

  it("shows the end of the log and its place when the build fails, and builds once it can", function ()
    edit("broken", "")
    local r = launch {}
    assert.same({1, ""}, {r.code, r.out})
    assert.truthy(r.err:find("core/broken: error", 1, true))
    assert.truthy(r.err:find(tree .. "/build/release/build.log", 1, true))
    os.remove(tree .. "/core/broken")
    assert.equal(7, launch({}).code)
  end)

  it("builds once when two start at once", function ()
    local children = {}
    for i = 1, 2 do children[i] = support.start({tree .. "/symphony"}, {cwd = elsewhere, env = env}) end
    for _, c in ipairs(children) do assert.equal("one " .. elsewhere .. " \n", c:wait(30).out) end
    local _, builds = calls():gsub("cmake %-%-build", "")
    assert.equal(1, builds)
  end)
end)
