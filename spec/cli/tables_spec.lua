local command = require "cli.command"
local core = require "sy.core"
local error_help = require "cli.error_help"
local gen_docs = require "cli.gen_docs"
local gen_manifest = require "cli.gen_manifest"
local support = require "support"

describe("the error codes", function()
  it("are those of the C core, each explained", function()
    assert.equal(#core.errors(), #error_help)
    for _, entry in ipairs(error_help) do
      assert.is_string(entry.example, entry.code)
      assert.is_string(entry.action, entry.code)
      assert.is_true(#entry.meaning > 10 and #entry.example > 5 and #entry.action > 10, entry.code)
    end
  end)
end)

describe("the commands", function()
  local function each(fn)
    for _, entry in ipairs(command.all()) do
      for _, one in ipairs(entry.subcommands or { entry }) do fn(one, entry) end
    end
  end

  it("each have a summary, a usage that names them, an example and a way to run", function()
    each(function(one, entry)
      assert.matches("%a", one.summary)
      assert.matches(entry.name, one.usage, 1, true)
      assert.matches("^symphony ", one.example)
      assert.is_function(one.run)
    end)
  end)

  it("explain each option", function()
    each(function(one)
      for _, option in ipairs(one.options) do assert.is_true(#option.doc > 5, one.name .. " --" .. option.name) end
    end)
  end)
end)

describe("docs/guide/cli.md", function()
  it("is what the tables say", function()
    local path = support.root .. "/docs/guide/cli.md"
    if os.getenv "SYMPHONY_UPDATE" then support.write_file(path, gen_docs.text()) end
    assert.equal(gen_docs.text(), support.read_file(path))
  end)
end)

describe("docs/reference/manifest.md", function()
  it("is what the table of a manifest's keys says", function()
    local path = support.root .. "/docs/reference/manifest.md"
    if os.getenv "SYMPHONY_UPDATE" then support.write_file(path, gen_manifest.text()) end
    assert.equal(gen_manifest.text(), support.read_file(path))
  end)

  it("has every section", function()
    for name in pairs(require "kit.manifest_keys") do assert.is_true(gen_manifest.sections()[name], name) end
  end)
end)

describe("docs/guide/extensions.md", function()
  local path = support.root .. "/docs/guide/extensions.md"

  it("has an example that works", function()
    local page, dir = support.read_file(path), support.tmpdir()
    local function block(name, language)
      local at = select(2, page:find("`" .. name .. "`:", 1, true))
      return page:match("```" .. language .. "\n(.-)```", at)
    end
    support.write_file(dir .. "/extensions/count/Symphony.toml", block("extensions/count/Symphony.toml", "toml"))
    support.write_file(dir .. "/extensions/count/init.lua", block("extensions/count/init.lua", "lua"))
    support.write_file(dir .. "/README.md", "one two three\n")
    assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
    local checked = support.symphony({ "ext", "check", "extensions/count" }, { cwd = dir })
    assert.equal(0, checked.code, checked.err)
    local called = support.symphony({ "call", "count.words", "-p", "path=README.md", "--json" }, { cwd = dir })
    assert.equal(0, called.code, called.out .. called.err)
    assert.equal(3, require("sy.json").decode(called.out).words)
  end)
end)
