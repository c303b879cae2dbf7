--- The person's files, changed by many processes at once.
local paths = require "kit.paths"
local person = require "kit.person"
local person_file = require "kit.person_file"
local support = require "support"

local MANY = 12

describe("the person's files", function()
  it("lose nothing when many processes trust at once", function()
    local base, all = paths.real(support.tmpdir()), {}
    for i = 1, MANY do
      support.write_file(("%s/p%d/melodies/m.lua"):format(base, i), "return 1\n")
      all[i] = support.start_symphony({ "trust", "--project", ("%s/p%d"):format(base, i) })
    end
    for i = 1, MANY do assert.equal(0, all[i]:wait(60).code) end
    local text = support.read_file(person.data_dir() .. "/trust")
    for i = 1, MANY do assert.truthy(text:find(("%s/p%d\n"):format(base, i), 1, true), "p" .. i) end
    for i = 1, MANY do all[i] = support.start_symphony({ "untrust", "--project", ("%s/p%d"):format(base, i) }) end
    for i = 1, MANY do assert.equal(0, all[i]:wait(60).code) end
    assert.is_nil(support.read_file(person.data_dir() .. "/trust"):find(base, 1, true))
  end)

  it("lose no setting when many are written at once", function()
    local dir, all, keys = support.tmpdir(), {}, { "output.color", "runs.keep", "runs.keep_days" }
    local values = { "never", "77", "99" }
    for i, key in ipairs(keys) do
      all[i] = support.start_symphony({ "config", "set", key, values[i], "--user" }, { cwd = dir })
    end
    for _, c in ipairs(all) do
      local r = c:wait(60)
      assert.equal(0, r.code, r.err)
    end
    local text = support.read_file(person.config_dir() .. "/config.toml")
    for _, value in ipairs(values) do assert.truthy(text:find(value, 1, true), text) end
    os.remove(person.config_dir() .. "/config.toml")
  end)

  it("are left as they are by a change that fails or says so", function()
    assert.equal("made", (person_file.update("list", function(text) return text .. "one\n", "made" end)))
    assert.is_false((person_file.update("list", function() return nil, false end)))
    assert.has_error(function() person_file.update("list", function() error("no", 0) end) end, "no")
    assert.equal("one\n", support.read_file(person.data_dir() .. "/list"))
    assert.equal("made", (person_file.update("list", function(text) return text .. "two\n", "made" end)))
    assert.equal("one\ntwo\n", support.read_file(person.data_dir() .. "/list"))
  end)
end)
