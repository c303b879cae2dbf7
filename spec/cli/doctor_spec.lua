--- What `doctor` says of the kernel, with features taken away one by one.
local json = require "sy.json"
local support = require "support"

local dir

setup(function() dir = support.tmpdir() end)

local function doctor(environment)
  local r = support.symphony({ "doctor", "--json" }, { cwd = dir, env = environment })
  local checks = {}
  for _, check in ipairs(json.decode(r.out).checks) do checks[check.name] = check end
  return checks, r
end

describe("doctor", function()
  for _, name in ipairs { "openat2", "pidfd", "close_range", "seccomp" } do
    it("warns when the kernel has no " .. name .. " and says what to do", function()
      local checks, r = doctor { SYMPHONY_TEST_KERNEL = name }
      assert.equal("warn", checks[name].state)
      assert.truthy(checks[name].action:find "a kernel")
      assert.equal(0, r.code)
      assert.equal("ok", doctor()[name].state)
    end)
  end

  it("warns when left-over programs cannot be found", function()
    assert.equal("warn", doctor { SYMPHONY_TEST_KERNEL = "marks" }["left-over programs"].state)
    assert.equal("ok", doctor()["left-over programs"].state)
  end)

  it("says what each level of Landlock leaves unheld", function()
    local text = {}
    for level = 0, 6 do text[level] = doctor({ SYMPHONY_TEST_LANDLOCK = tostring(level) }).Landlock end
    assert.truthy(text[0].found:find("not offered", 1, true))
    assert.truthy(text[2].found:find("truncating", 1, true))
    assert.is_nil(text[3].found:find("truncating", 1, true))
    assert.truthy(text[3].found:find("ports", 1, true))
    assert.truthy(text[5].found:find("signals", 1, true))
    for level = 0, 5 do
      assert.equal("warn", text[level].state)
      assert.truthy(text[level].action:find("kernel from", 1, true))
    end
    assert.same({ "ok", "level 6", json.null }, { text[6].state, text[6].found, text[6].action })
  end)
end)
