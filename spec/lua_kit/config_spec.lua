local config = require "kit.config"
local config_file = require "kit.config_file"
local settings = require "kit.settings"
local support = require "support"

describe("changing a key of a config file", function()
  it("replaces its line and keeps everything else", function()
    local text = "# mine\n[run]\nparallel = 2 # few\n\n[output]\ncolor = \"never\"\n"
    assert.equal("# mine\n[run]\nparallel = 4\n\n[output]\ncolor = \"never\"\n",
      config_file.set(text, "run.parallel", 4))
  end)

  it("adds it to its section, or the section", function()
    assert.equal("[run]\nparallel = 2\ndurability = \"none\"\n",
      config_file.set("[run]\nparallel = 2\n", "run.durability", "none"))
    assert.equal("[run]\ndurability = \"none\"\n", config_file.set("", "run.durability", "none"))
  end)

  it("takes it away", function()
    assert.equal("[run]\n", config_file.set("[run]\nparallel = 2\n", "run.parallel", nil))
  end)

  it("writes texts that a TOML reader gives back", function()
    local toml = require "sy.toml"
    local text = 'quote " backslash \\ newline \n tab \t'
    assert.equal(text, toml.decode("v = " .. config_file.value(text)).v)
  end)
end)

describe("a setting", function()
  local function place(text)
    local dir = support.tmpdir()
    support.write_file(dir .. "/.symphony/config.toml", text)
    return { dir = dir, state_dir = dir .. "/.symphony", trusted = true, exists = true }
  end

  it("that is unknown is refused with file, line and what was meant", function()
    local read, why = config.read { place = place "[run]\ndurabilty = \"full\"\n" }
    assert.is_nil(read)
    assert.equal("usage", why.code)
    assert.equal(2, why.where.line)
    assert.equal("did you mean `run.durability`?", why.hint)
  end)

  it("of the wrong type is refused", function()
    local read, why = config.read { place = place "[run]\nparallel = \"many\"\n" }
    assert.is_nil(read)
    assert.matches("whole number", why.message)
  end)

  it("comes from the flag, then the project, then the default, and says so", function()
    local here = place "[run]\ndurability = \"process\"\n"
    local read = assert(config.read { place = here, flags = { durability = "none" } })
    local origins = read:why "run.durability"
    assert.same({ "--durability", "project", "default" }, { origins[1].from, origins[2].from, origins[3].from })
    assert.equal("none", (read:get "run.durability"))
    assert.equal("process", (assert(config.read { place = here }):get "run.durability"))
  end)

  it("of a project that is not trusted does not count", function()
    local here = place "[run]\ndurability = \"process\"\n"
    here.trusted = false
    assert.equal("full", (assert(config.read { place = here }):get "run.durability"))
  end)

  it("has a sentence, a type and a default of that type", function()
    for _, setting in ipairs(settings) do
      assert.is_true(#setting.doc > 10, setting.key)
      assert.equal(setting.default, config.check(setting, setting.default, { text = "default" }), setting.key)
    end
  end)
end)
