--- Versions that go together, and what is said when none do.
local resolve = require "kit.package.resolve"

--- A source of {name = {version = needs}}, newest first.
local function source(all)
  local semver = require "kit.semver"
  return { versions = function(_, name)
    local list = {}
    for version, needs in pairs(all[name] or {}) do list[#list + 1] = { name = name, version = version, needs = needs } end
    table.sort(list, function(a, b) return semver.compare(semver.parse(a.version), semver.parse(b.version)) > 0 end)
    return list
  end }
end

local function solve(demands, all)
  local list = {}
  for i, one in ipairs(demands) do
    local name, range = one:match "^(%S+) (.+)$"
    list[i] = { name = name, range = range }
  end
  local chosen, why = resolve.solve(list, { source(all) })
  if not chosen then return nil, why end
  local versions = {}
  for name, one in pairs(chosen) do versions[name] = one.version end
  return versions
end

local function refused(code, pattern, demands, all)
  local chosen, why = solve(demands, all)
  assert.is_nil(chosen)
  assert.equal(code, why.code)
  assert.matches(pattern, why.message)
end

describe("what cannot be resolved", function()
  it("is told with the way that led to what is missing", function()
    refused("not_found", "there is no package a/none, which a/mid 1.0.0 depends on %(a/top 1.0.0 %-> a/mid 1.0.0 %-> a/none%)",
      { "a/top *" }, { ["a/top"] = { ["1.0.0"] = { ["a/mid"] = "*" } }, ["a/mid"] = { ["1.0.0"] = { ["a/none"] = "^1" } } })
    refused("not_found", "no version of a/mid fits: a/top 1.0.0 needs %^3; there are 2.0.0, 1.0.0", { "a/top *" },
      { ["a/top"] = { ["1.0.0"] = { ["a/mid"] = "^3" } }, ["a/mid"] = { ["1.0.0"] = {}, ["2.0.0"] = {} } })
  end)

  it("is told with all that it does not suit", function()
    refused("manifest_invalid", "no version of a/base suits all: a/one 1.0.0 needs %^1; a/two 1.0.0 needs %^2",
      { "a/one *", "a/two *" }, { ["a/one"] = { ["1.0.0"] = { ["a/base"] = "^1" } },
        ["a/two"] = { ["1.0.0"] = { ["a/base"] = "^2" } }, ["a/base"] = { ["1.0.0"] = {}, ["2.0.0"] = {} } })
  end)

  it("is told with the circle", function()
    refused("manifest_invalid", "in a circle: a/one 1.0.0 %-> a/two 1.0.0 %-> a/one", { "a/one *" },
      { ["a/one"] = { ["1.0.0"] = { ["a/two"] = "*" } }, ["a/two"] = { ["1.0.0"] = { ["a/one"] = "*" } } })
    refused("manifest_invalid", "in a circle: a/one 1.0.0 %-> a/one", { "a/one *" },
      { ["a/one"] = { ["1.0.0"] = { ["a/one"] = "*" } } })
  end)

  it("ends, however tangled it is", function()
    local all = {}
    for layer = 1, 12 do
      for _, letter in ipairs { "x", "y", "z" } do
        local versions = {}
        for minor = 0, 5 do
          versions[("1.%d.0"):format(minor)] = { [("x/l%d"):format(layer + 1)] = "*", [("y/l%d"):format(layer + 1)] = "*",
            [("z/l%d"):format(layer + 1)] = "*" }
        end
        all[("%s/l%d"):format(letter, layer)] = versions
      end
    end
    refused("manifest_invalid", "too tangled", { "x/l1 *" }, all)
  end)
end)

describe("versions that go together", function()
  it("are the first that fit", function()
    assert.same({ ["a/top"] = "2.0.0", ["a/base"] = "1.9.0" }, solve({ "a/top *" },
      { ["a/top"] = { ["1.0.0"] = {}, ["2.0.0"] = { ["a/base"] = "^1.2" } },
        ["a/base"] = { ["1.0.0"] = {}, ["1.9.0"] = {}, ["2.0.0"] = {} } }))
  end)

  it("are found behind a choice that did not fit", function()
    assert.same({ ["a/one"] = "1.0.0", ["a/two"] = "1.0.0", ["a/base"] = "1.0.0" }, solve({ "a/one *", "a/two *" },
      { ["a/one"] = { ["1.0.0"] = { ["a/base"] = "^1" }, ["2.0.0"] = { ["a/base"] = "^2" } },
        ["a/two"] = { ["1.0.0"] = { ["a/base"] = "^1" } }, ["a/base"] = { ["1.0.0"] = {}, ["2.0.0"] = {} } }))
    assert.same({ ["a/one"] = "1.0.0" }, solve({ "a/one *" },
      { ["a/one"] = { ["1.0.0"] = {}, ["2.0.0"] = { ["a/none"] = "*" }, ["3.0.0"] = { ["a/one"] = "*" } } }))
  end)

  it("meet in one package", function()
    assert.same({ ["a/top"] = "1.0.0", ["a/left"] = "1.0.0", ["a/right"] = "1.0.0", ["a/base"] = "1.1.0" },
      solve({ "a/top *" }, { ["a/top"] = { ["1.0.0"] = { ["a/left"] = "*", ["a/right"] = "*" } },
        ["a/left"] = { ["1.0.0"] = { ["a/base"] = "^1" } }, ["a/right"] = { ["1.0.0"] = { ["a/base"] = "<1.2" } },
        ["a/base"] = { ["1.0.0"] = {}, ["1.1.0"] = {}, ["1.2.0"] = {} } }))
  end)
end)
