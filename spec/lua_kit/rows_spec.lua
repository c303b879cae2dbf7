--- What a run leaves of the kit in the project's database.
local core = require "sy.core"
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local function after(...)
  local dir = paths.real(support.tmpdir())
  for _, words in ipairs { ... } do
    local r = support.symphony(words, { cwd = dir })
    assert.equal(0, r.code, r.err)
  end
  return assert(core.open { project = dir }), dir
end

describe("after a run", function()
  local host, dir = after({ "run", "hello", "--quiet" }, { "run", "hello", "--quiet" })
  local function row(sql) return host:query(sql, {})[1] end

  it("there is one row for the extension, one OPERATOR, one version, and its state is installed again", function()
    local found = row "SELECT * FROM extension WHERE name = 'file'"
    assert.equal("operator", found.extension_type)
    assert.equal("bundled", found.source)
    assert.equal("installed", found.lifecycle_state)
    assert.equal("file", json.decode(found.manifest).extension.name)
    assert.same({ "$PROJECT/**" }, json.decode(found.capabilities)["fs.read"])
    assert.equal(1, row("SELECT count(*) AS n FROM extension_version WHERE extension_id = '" .. found.id .. "'").n)
    local operator = row("SELECT * FROM operator WHERE extension_id = '" .. found.id .. "'")
    assert.equal("object", json.decode(operator.input_schema).glob.type)
    assert.equal("object", json.decode(operator.output_schema).glob.type)
  end)

  it("each opening that ran it has its state", function()
    assert.equal(2, row [[SELECT count(*) AS n FROM extension_session o JOIN extension e ON e.id = o.extension_id
                          WHERE e.name = 'file' AND o.lifecycle_state = 'activated']].n)
  end)

  it("the kit's own row lists what is installed and granted, and the settings", function()
    local kit = row "SELECT * FROM orchestra_kit"
    assert.equal("file", json.decode(kit.extension_registry).installed[1].name)
    local security = json.decode(kit.security_context)
    assert.equal("deny", security.default)
    assert.is_false(security.trusted)
    assert.same({ "$PROJECT/**" }, security.grants.file["fs.read"])
    assert.equal("full", json.decode(kit.configuration)["run.durability"])
  end)

  it("the melody is one row with one version, whose hash the runs refer to", function()
    local melody = row "SELECT * FROM melody"
    assert.equal("hello", melody.name)
    assert.equal("lua/melodies/hello.lua", melody.source)
    assert.equal(1, row("SELECT count(*) AS n FROM melody_version").n)
    assert.equal(melody.hash, row("SELECT melody_hash FROM pipeline_orchestration WHERE number = 2").melody_hash)
  end)

  it("the person and the project are who opened it", function()
    assert.equal(paths.name(dir), row("SELECT name FROM project").name)
    assert.is_true(#row("SELECT name FROM user").name > 0)
    assert.equal("full", json.decode(row("SELECT preferences FROM user").preferences)["run.durability"])
  end)

  teardown(function() host:close() end)
end)
