local semver = require "kit.semver"

describe("a version", function()
  it("is refused when it is none", function()
    for _, text in ipairs { "1", "1.2", "01.2.3", "1.2.3-", "1.2.3 ", "v1.2.3", "1.2.9999999999" } do
      assert.is_nil(semver.parse(text), text)
    end
  end)

  it("comes before another as semver 2.0 orders them", function()
    local order = { "0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11",
      "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0" }
    for i = 2, #order do
      assert.equal(-1, semver.compare(semver.parse(order[i - 1]), semver.parse(order[i])), order[i])
      assert.equal(1, semver.compare(semver.parse(order[i]), semver.parse(order[i - 1])), order[i])
    end
  end)
end)

describe("a range", function()
  it("is refused when it is none", function()
    for _, text in ipairs { "", "latest", ">>1", "^x", "1.2.3.4" } do assert.is_nil(semver.range(text), text) end
  end)

  it("holds what it says", function()
    local cases = {
      { "1.2.3", "^1.2", true }, { "2.0.0", "^1.2", false }, { "0.2.0", "^0.1", false }, { "0.0.4", "^0.0.3", false },
      { "1.2.9", "~1.2.3", true }, { "1.3.0", "~1.2.3", false }, { "0.1.0", ">=0.1, <1", true },
      { "1.0.0", ">=0.1, <1", false }, { "1.4.0", "1.4.0", true }, { "1.4.1", "1.4.0", false }, { "9.9.9", "*", true },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[3], semver.satisfies(case[1], case[2]), case[1] .. " in " .. case[2])
    end
  end)
end)
