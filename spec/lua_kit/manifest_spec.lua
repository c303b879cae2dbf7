local manifest = require "kit.manifest"

local GOOD = [[
[extension]
name = "mine"
version = "0.1.0"
type = "operator"
description = "Does a thing."

[operator]
operator_type = "test"

[operation.look]
doc = "Looks."
effects = "read"
input = { type = "object" }

[operation.push]
doc = "Pushes."

[capabilities]
fs.read = ["$PROJECT/**"]
process = ["git"]
]]

local function problems_of(text)
  local made, problems = manifest.read(text, "Symphony.toml")
  assert.is_nil(made)
  return problems
end

local function line_with(text, word)
  local n = 0
  for line in text:gmatch("([^\n]*)\n") do
    n = n + 1
    if line:find(word, 1, true) then return n end
  end
end

local function swapped(from, to)
  local at, last = GOOD:find(from, 1, true)
  return GOOD:sub(1, at - 1) .. to .. GOOD:sub(last + 1)
end

describe("a manifest with a mistake", function()
  local function refused(from, to, message, hint)
    local text = swapped(from, to)
    local problems = problems_of(text)
    local found
    for _, one in ipairs(problems) do
      if one.message:find(message, 1, true) then found = one end
    end
    assert.is_table(found, message .. " in: " .. problems[1].message)
    assert.equal("manifest_invalid", found.code)
    assert.equal("Symphony.toml", found.where.file)
    if hint then assert.equal(hint, found.hint) end
    return found, text
  end

  it("may cache only what changes nothing", function()
    local found = refused('doc = "Pushes."', 'doc = "Pushes."\ncache = true', "cache = true is for operations")
    assert.is_number(found.where.line)
  end)

  it("names the line of a misspelt key and the one that was meant", function()
    local found, text = refused('version = "0.1.0"', 'verson = "0.1.0"', "extension has no key `verson`",
      "did you mean `version`?")
    assert.equal(line_with(text, "verson"), found.where.line)
  end)

  it("has tables where it needs tables", function()
    local last = 'process = ["git"]'
    local found, text = refused(last, last .. "\n[contributes]\ncommand = 3", "contributes.command is a table, not 3")
    assert.equal(line_with(text, "command = 3"), found.where.line)
    refused("[extension]", "contributes = true\n[extension]", "contributes is a table, not true")
    refused("[extension]", 'dependencies = "a/b"\n[extension]', 'dependencies is a table, not "a/b"')
  end)

  it("says the same each time, without addresses", function()
    local function messages()
      local said = {}
      for _, one in ipairs(problems_of(swapped("[capabilities]", '[dependencies]\nb = "1"\na = "1"\nc = [1]\n' ..
        "[capabilities]\ncpu = { a = 1 }\ntimeout = [1]"))) do
        said[#said + 1] = one.message
      end
      return table.concat(said, "\n")
    end
    local first = messages()
    assert.equal(first, messages())
    assert.is_nil(first:find("0x", 1, true))
    assert.truthy(first:find("capabilities.cpu is a duration such as \"30s\", not a table", 1, true))
    assert.truthy(first:find("capabilities.timeout is a duration such as \"30s\", not a list", 1, true))
    assert.truthy(first:find("`a`.*`b`.*`c`"))
  end)

  it("names an unknown section", function()
    refused("[capabilities]", "[capabilites]", "there is no section [capabilites]", "did you mean `capabilities`?")
  end)

  it("refuses a value of the wrong type or none of the choices", function()
    refused('effects = "read"', "effects = 3", "operation.look.effects is a text")
    refused('effects = "read"', 'effects = "reads"', "operation.look.effects is one of", "did you mean `read`?")
    refused('type = "operator"', 'type = "operater"', "extension.type is one of", "did you mean `operator`?")
    refused('version = "0.1.0"', 'version = "1"', "major.minor.patch")
    refused('process = ["git"]', 'process = "git"', "capabilities.process is a list of texts")
    refused('process = ["git"]', 'memory = "lots"', "capabilities.memory is a size")
    refused('process = ["git"]', 'net = ["example.org"]', "host:port")
  end)

  it("says what is missing", function()
    refused('description = "Does a thing."', "", "extension.description is missing")
    refused('doc = "Looks."', "", "operation.look.doc is missing")
  end)

  it("refuses a section of another type", function()
    refused("[operator]", "[motif]\n[operator]", "[motif] does not belong")
  end)

  it("that is no TOML names the line", function()
    local problems = problems_of("[extension]\nname = \n")
    assert.equal("manifest_invalid", problems[1].code)
    assert.equal(2, problems[1].where.line)
  end)
end)

describe("a good manifest", function()
  local made = assert(manifest.read(GOOD, "Symphony.toml"))

  it("is filled in with defaults", function()
    assert.equal("init.lua", made.extension.entry)
    assert.equal("external", made.operation.push.effects)
    assert.equal("64MiB", made.capabilities.memory)
    assert.same({}, made.capabilities.net)
  end)

  it("takes reading as idempotent and other effects as not", function()
    assert.is_true(made.operation.look.idempotent)
    assert.is_false(made.operation.push.idempotent)
  end)

  it("is warned that programs without `reads` are not cached", function()
    local cached = swapped('doc = "Looks."', 'doc = "Looks."\ncache = true')
    local read, warnings = manifest.read(cached, "x")
    assert.is_table(read)
    assert.equal("warning", warnings[1].severity)
    assert.equal("look is not cached: it may start programs and has no `reads`", warnings[1].message)
    local named = swapped('doc = "Looks."', 'doc = "Looks."\ncache = true\nreads = ["$input.path"]')
    assert.is_nil(select(2, manifest.read(named, "x")))
  end)

  it("has dotted and nested capabilities alike", function()
    assert.same({ "$PROJECT/**" }, made.capabilities["fs.read"])
    local nested = assert(manifest.read(swapped('fs.read = ["$PROJECT/**"]', 'fs = { read = ["$PROJECT/**"] }'), "x"))
    assert.same(made.capabilities, nested.capabilities)
  end)
end)
