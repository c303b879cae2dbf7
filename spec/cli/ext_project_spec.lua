--- What the extensions of a project depend on: installed for it and held by symphony.lock.
local json = require "sy.json"
local packages = require "packages"
local support = require "support"

local scene

local READER = 'local b = require "acme/base"\nreturn { say = function() return b.say() end }'

local function own(range)
  local dir = scene.dir .. "/extensions/mine"
  support.write_file(dir .. "/Symphony.toml", packages.manifest("mine", { needs = { ["acme/base"] = range } }))
  support.write_file(dir .. "/init.lua", READER)
end

before_each(function()
  scene = packages.scene()
  own "^1"
  scene:pack("acme/base", { says = "1.0.0" })
end)

local function locked()
  return json.decode(support.read_file(scene.dir .. "/symphony.lock")).packages
end

local function said()
  return json.decode(scene:fine("call", "mine.say").out).said
end

local function install(...)
  return json.decode(scene:fine("ext", "install", "--yes", "--json", "--from", scene.packages, ...).out)
end

describe("a project whose extension depends on a package", function()
  it("is refused until it is trusted, and until the package is there", function()
    scene:refused(3, "is not trusted, so its extensions do not count", "ext", "install", "--from", scene.packages)
    scene:fine "trust"
    scene:refused(2, "mine depends on acme/base %^1: the package acme/base is not installed", "call", "mine.say")
    scene:refused(4, "no package acme/base, which mine 1.0.0 depends on", "ext", "install", "--yes")
    own "^7"
    scene:refused(4, "no version of acme/base fits: mine 1.0.0 needs %^7; there is 1.0.0", "ext", "install", "--yes",
      "--from", scene.packages)
    assert.is_false(support.exists(scene.dir .. "/symphony.lock"))
  end)

  it("gets it, and the lock says which", function()
    scene:fine "trust"
    local done = install()
    assert.equal("acme/base", done.changes[1].name)
    assert.equal(scene.dir .. "/symphony.lock", done.lock)
    assert.equal("1.0.0", locked()[1].version)
    assert.matches("^sha256:%x+$", locked()[1].hash)
    assert.equal("1.0.0", said())
    assert.equal(0, #install().changes)
  end)

  it("keeps what is locked, whatever the person uses, until it is chosen again", function()
    scene:fine "trust"
    install()
    scene:pack("acme/base", { version = "1.1.0", says = "1.1.0" })
    scene:fine("ext", "install", "--yes", scene.packages .. "/acme-base-1.1.0.sympkg")
    assert.equal(0, #install().changes)
    assert.equal("1.0.0", said())
    install "--upgrade"
    assert.equal("1.1.0", locked()[1].version)
    assert.equal("1.1.0", said())
  end)

  it("refuses a file that is not what was locked, and a lock that is damaged", function()
    scene:fine "trust"
    install()
    support.sh(("rm -rf '%s' '%s'/*"):format(scene.store, scene.packages))
    scene:refused(2, "acme/base 1.0.0, as symphony.lock has it, is not installed", "call", "mine.say")
    scene:pack("acme/base", { says = "forged" })
    scene:refused(3, "is not the acme/base 1.0.0 of symphony.lock: its hash differs", "ext", "install", "--yes", "--from",
      scene.packages)
    assert.equal("", scene:installed():gsub("./installed.json\n", ""))
    support.write_file(scene.dir .. "/symphony.lock", '{"format": 1, "packages": [{"name": "../x"}]}')
    scene:refused(2, "symphony.lock is damaged", "ext", "install", "--yes", "--from", scene.packages)
  end)

  it("keeps the package from being removed", function()
    scene:fine "trust"
    install()
    scene:fine("ext", "install", "--yes", scene.packages .. "/acme-base-1.0.0.sympkg")
    scene:refused(2, "acme/base is needed by the project ", "ext", "remove", "acme/base")
    support.sh(("rm '%s/symphony.lock'"):format(scene.dir))
    scene:fine("ext", "remove", "acme/base")
  end)
end)
