local lifecycle = require "kit.lifecycle"
local paths = require "kit.paths"
local permissions = require "kit.permissions"
local registry = require "kit.registry"
local suggest = require "kit.suggest"
local units = require "kit.units"

describe("units", function()
  it("are read as people write them, and refused otherwise", function()
    assert.equal(64 << 20, units.bytes "64MiB")
    assert.equal(1500, units.milliseconds "1.5s")
    assert.equal(120000, units.milliseconds "2m")
    for _, text in ipairs { "64", "lots", "64 XB", "-1s" } do
      assert.is_nil(units.bytes(text), text)
      assert.is_nil(units.milliseconds(text), text)
    end
  end)
end)

describe("paths", function()
  it("are joined, cut and compared as text", function()
    assert.equal("a/b/c", paths.join("a", "b/", "c"))
    assert.equal("/x", paths.join("a", "/x"))
    assert.same({ "/", ".", "a" }, { paths.parent "/a", paths.parent "a", paths.parent "a/b/" })
    assert.is_true(paths.within("/a/b", "/a"))
    assert.is_false(paths.within("/ab", "/a"))
    assert.equal("b/c", paths.relative("/a/b/c", "/a"))
  end)
end)

describe("hints", function()
  it("name the nearest word, or the only one that begins so", function()
    assert.equal("did you mean `cancel`?", suggest.hint("cancle", { "call", "cancel" }))
    assert.equal("did you mean `durability`?", suggest.hint("dur", { "durability", "parallel" }))
    assert.is_nil(suggest.hint("zzz", { "call", "cancel" }))
  end)
end)

describe("permissions in words", function()
  it("name each thing that is granted", function()
    assert.same({ "reads files: the project", "starts programs: git, luacheck" },
      permissions.words { ["fs.read"] = { "$PROJECT/**" }, process = { "git", "luacheck" }, net = {} })
  end)

  it("say so when nothing is", function()
    assert.same({ "touches nothing outside itself" }, permissions.words {})
  end)
end)

describe("the life of an extension", function()
  it("goes from one state to the next and never skips one", function()
    assert.is_true(lifecycle.allowed("installed", "loaded"))
    assert.is_true(lifecycle.allowed("running", "paused"))
    assert.is_true(lifecycle.allowed("loaded", "error"))
    assert.is_false(lifecycle.allowed("installed", "running"))
    assert.is_false(lifecycle.allowed("error", "running"))
  end)
end)

describe("the bundled extensions", function()
  local found = registry.new(nil, { bundled_only = true })

  it("all have a valid manifest, an entry and described operations", function()
    local count = 0
    for _, entry in ipairs(found:all()) do
      local loaded, problems = registry.load(entry)
      assert.is_table(loaded, problems and problems[1].message)
      assert.is_string(entry.sources[entry.manifest.extension.entry])
      assert.matches("^sha256:%x+$", entry.code_hash)
      count = count + 1
    end
    assert.is_true(count >= 7)
  end)

  it("are found by operation, or it is said what was meant", function()
    assert.equal("git", found:operation("git.diff").extension.name)
    local _, why = found:operation "git.dif"
    assert.equal("unknown_operation", why.code)
    assert.equal("did you mean `git.diff`?", why.hint)
    _, why = found:operation "gti.diff"
    assert.equal("unknown_operation", why.code)
    assert.equal("did you mean `git`?", why.hint)
    _, why = found:operation "nonsense"
    assert.equal("unknown_operation", why.code)
  end)
end)
