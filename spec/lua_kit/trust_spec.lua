local melodies = require "kit.melodies"
local paths = require "kit.paths"
local person = require "kit.person"
local project = require "kit.project"
local support = require "support"
local trust = require "kit.trust"

describe("trust", function()
  it("is a record outside of the project, of its real path", function()
    local dir = support.tmpdir()
    support.sh("ln -s . link", { cwd = dir })
    assert.is_false(trust.trusted(dir))
    assert.is_true(trust.grant(dir .. "/link"))
    assert.is_true(trust.trusted(dir))
    assert.is_false(trust.grant(dir))
    assert.is_true(trust.revoke(dir))
    assert.is_false(trust.trusted(dir))
    assert.is_false(trust.revoke(dir))
    assert.same({ "link" }, paths.names(dir))
  end)

  it("does not count when others can write the record", function()
    local dir = support.tmpdir()
    assert(trust.grant(dir))
    support.run { "chmod", "0666", person.data_dir() .. "/trust" }
    assert.is_false(trust.trusted(dir))
    support.run { "chmod", "0600", person.data_dir() .. "/trust" }
    assert.is_true(trust.trusted(dir))
  end)
end)

describe("a project's folder", function()
  it("is the nearest upwards with .symphony, else with .git, else the given one", function()
    local dir = paths.real(support.tmpdir())
    support.sh("mkdir -p a/.symphony a/b/.git a/b/c d", { cwd = dir })
    assert.equal(dir .. "/a/b/c", project.find(dir .. "/a/b/c").dir)
    local r = support.symphony({ "trust", "--json" }, { cwd = dir .. "/a/b/c" })
    assert.matches('"project":"' .. dir .. '/a"', r.out, 1, true)
    r = support.symphony({ "trust", "--json" }, { cwd = dir .. "/d" })
    assert.equal(0, r.code)
  end)

  it("is refused when .symphony is a link", function()
    local dir = support.tmpdir()
    support.sh("mkdir -p elsewhere p && ln -s ../elsewhere p/.symphony", { cwd = dir })
    local place = assert(project.find(dir .. "/p"))
    local ok, why = project.check(place)
    assert.is_nil(ok)
    assert.equal("not_trusted", why.code)
  end)
end)

describe("a melody's name", function()
  local function place_with(text, trusted)
    local dir = paths.real(support.tmpdir())
    support.write_file(dir .. "/melodies/review.lua", text)
    return { dir = dir, state_dir = dir .. "/.symphony", trusted = trusted, exists = false }
  end

  it("means the bundled one where the project is not trusted", function()
    assert.equal("bundled", melodies.find(place_with("x", false), "review").origin)
    assert.equal("project", melodies.find(place_with("x", true), "review").origin)
  end)

  it("of a project that is not trusted is refused, but may be read", function()
    local place = place_with("x", false)
    support.write_file(place.dir .. "/melodies/own.lua", "x")
    local found, why = melodies.find(place, "own")
    assert.is_nil(found)
    assert.equal("not_trusted", why.code)
    assert.equal("project", melodies.find(place, "own", { reading = true }).origin)
    found, why = melodies.find(place, place.dir .. "/melodies/own.lua")
    assert.is_nil(found)
    assert.equal("not_trusted", why.code)
  end)

  it("that is a path outside of the project is trusted because it was typed", function()
    local file = support.tmpdir() .. "/other.lua"
    support.write_file(file, "x")
    assert.equal("file", melodies.find(place_with("x", false), file).origin)
  end)

  it("that is unknown says what was meant", function()
    local found, why = melodies.find(place_with("x", false), "reviw")
    assert.is_nil(found)
    assert.equal("not_found", why.code)
    assert.equal("did you mean `review`?", why.hint)
  end)

  it("reaches the files beside it and nothing above", function()
    local place = place_with("x", true)
    support.write_file(place.dir .. "/melodies/lib/util.lua", "return 1")
    support.write_file(place.dir .. "/secret.lua", "return 2")
    support.sh("ln -s ../secret.lua melodies/out.lua", { cwd = place.dir })
    local module = melodies.module(melodies.find(place, "review"))
    assert.equal("return 1", (module "lib.util"))
    assert.is_nil((module "out"))
    assert.is_nil((module "...secret"))
  end)
end)

describe("the person", function()
  it("is who git says", function()
    local found = person.parse_git '[core]\n\tx = y\n[user]\n\tname = "Ada L" ; c\n\temail = ada@example.org\n[other]\nname = no\n'
    assert.same({ name = "Ada L", email = "ada@example.org" }, found)
  end)
end)
