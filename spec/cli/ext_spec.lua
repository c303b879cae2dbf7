--- Extensions of a project as its user meets them: not trusted yet, with a mistake, with a syntax error.
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "count"
version = "0.1.0"
type = "operator"
description = "Counts."

[operator]
operator_type = "text"

[operation.words]
doc = "How many words there are."
effects = "none"
]]

local MELODY = [[
local m = require "melody" "tally"
m:task("tally", "count.words")
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function refused(exit, pattern, ...)
  local r = symphony(...)
  assert.equal(exit, r.code, r.out .. r.err)
  assert.matches(pattern, r.err)
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/count/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/count/init.lua", "return { words = function() return {} end }\n")
  support.write_file(dir .. "/melodies/tally.lua", MELODY)
end)

describe("an extension of a project that is not trusted", function()
  it("is listed as that, and every refusal says what to type", function()
    assert.matches("count +project  not trusted  symphony trust", symphony("ext", "ls").out)
    refused(3, "not_trusted.*symphony trust", "call", "count.words")
    refused(3, "not_trusted.*symphony trust", "ext", "show", "count")
    refused(3, "not_trusted.*symphony trust", "run", "tally")
    assert.equal(0, symphony("melody", "check", "tally").code)
    assert.equal(0, symphony("trust").code)
    assert.equal(0, symphony("run", "tally").code)
  end)
end)

describe("an extension with a mistake", function()
  it("is named when a melody needs it, with what to type", function()
    support.write_file(dir .. "/extensions/count/Symphony.toml", (MANIFEST:gsub("effects", "efects")))
    symphony "trust"
    refused(2, "no key `efects`.*symphony ext check extensions/count/Symphony.toml", "run", "tally")
    refused(2, "did you mean `effects`", "ext", "check", "extensions/count/Symphony.toml")
  end)

  it("is found in its Lua files without running them", function()
    support.write_file(dir .. "/extensions/count/helper.lua", "error 'ran'\nlocal function f(\n")
    refused(2, "helper.lua:3", "ext", "check", "extensions/count")
    support.write_file(dir .. "/extensions/count/helper.lua", "error 'ran'\n")
    assert.equal(0, symphony("ext", "check", "extensions/count").code)
    support.write_file(dir .. "/extensions/count/Symphony.toml",
      MANIFEST .. 'cache = true\n[capabilities]\nprocess = ["wc"]\n')
    local warned = symphony("ext", "check", "extensions/count")
    assert.equal(0, warned.code)
    assert.matches("words is not cached: it may start programs", warned.err)
  end)
end)

describe("a folder without a manifest", function()
  it("is said to be one", function()
    refused(4, "there is no Symphony.toml in melodies", "ext", "check", "melodies")
  end)
end)
