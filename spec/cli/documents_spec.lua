--- Every --json document against its schema in docs/json, and that each schema is met by some command.
local json = require "sy.json"
local packages = require "packages"
local paths = require "kit.paths"
local person = require "kit.person"
local schema = require "sy.schema"
local support = require "support"

local function schema_of(name)
  local text = assert(support.read_file(("%s/docs/json/%s.json"):format(support.root, name)), name)
  return assert(schema.compile(assert(json.decode(text))))
end

local met = {}

--- Checks a document; a union is what one of several schemas says.
local function fits(name, text)
  local value, failure = json.decode(text)
  assert(value ~= nil, ("%s: %s\n%s"):format(name, tostring(failure), text))
  local ok, message, _, path = schema_of(name):check(value)
  assert(ok ~= nil, ("%s at %s: %s\n%s"):format(name, tostring(path), tostring(message), text))
  met[name] = true
  return value
end

local dir

local function run(words, code)
  local r = support.symphony(words, { cwd = dir })
  assert.equal(code or 0, r.code, table.concat(words, " ") .. "\n" .. r.out .. r.err)
  return r
end

local function document(name, words, code)
  table.insert(words, "--json")
  local r = run(words, code)
  assert.equal(1, select(2, r.out:gsub("\n", "")), "one document on one line")
  return fits(name, r.out), r
end

describe("with --json", function()
  setup(function()
    dir = paths.real(support.tmpdir())
    support.write_file(dir .. "/a.txt", "one\n")
  end)

  it("init says what it made", function()
    local doc = document("init", { "init" })
    assert.is_true(doc.made)
    assert.is_true(doc.trusted)
    assert.is_false(document("init", { "init" }).made)
  end)

  it("a run, shown, listed and resumed, is one document", function()
    local doc = document("run", { "run", "hello", "-p", "name=you" })
    assert.equal("completed", doc.status)
    assert.equal("Hello, you!", doc.outputs.greeting)
    assert.equal("found", doc.tasks[1].key)
    local shown = document("run", { "show" })
    assert.same(doc, shown)
    assert.same(doc, document("run", { "show", doc.run:sub(-8) }))
    assert.same(doc, document("run", { "resume", tostring(doc.number) }))
    assert.same(doc, document("run", { "cancel", "last:hello" }))
    local list = document("runs", { "runs" })
    assert.equal(doc.run, list.runs[1].run)
  end)

  it("a dry run says what would run and touches nothing", function()
    local doc = document("dry-run", { "run", "hello", "--dry-run" })
    assert.same({ "found" }, doc.tasks[2].after)
    assert.equal(1, #document("runs", { "runs" }).runs)
  end)

  it("a detached run is committed when the command ends", function()
    local doc = document("run-detached", { "run", "hello", "--detach" })
    support.wait_until(function()
      return document("run", { "show", tostring(doc.number) }).status == "completed"
    end, 20)
  end)

  it("secrets are set, listed and removed", function()
    support.write_file(dir .. "/value", "a long value\n")
    assert.equal("kept.key", document("secret-set", { "secret", "set", "kept.key", "--file", "value" }).name)
    assert.equal("kept.key", document("secret-ls", { "secret", "ls" }).secrets[1].name)
    assert.is_true(document("secret-rm", { "secret", "rm", "kept.key" }).removed)
    os.remove(dir .. "/value")
  end)

  it("a call gives the operation's output", function()
    local doc = document("call", { "call", "file.read", "-p", "path=a.txt" })
    assert.equal("one\n", doc.content)
  end)

  it("two runs compared, and a run over time", function()
    assert.equal(2, document("diff", { "diff", "1", "2" }).to.number)
    assert.equal("found", document("trace", { "trace", "1" }).tasks[1].key)
    fits("trace-chrome", run({ "trace", "1", "--format", "chrome", "--json" }).out)
  end)

  it("why a task ran", function()
    assert.equal("found", document("why", { "why", "1", "f*" }).tasks[1].key)
  end)

  it("a stream is one document a piece", function()
    run { "call", "process.run", "-p", 'argv=["echo","hi"]' }
    local piece = fits("logs-stream", run({ "logs", "--stream", "tokens", "--json" }).out)
    assert.equal("hi\n", piece.text)
    assert.equal(3, piece.next)
  end)

  it("tests of melodies", function()
    support.write_file(dir .. "/melodies/hello_test.lua", [[
local t = require "melody.test" "hello"
t:case("empty", { stubs = { found = { files = {}, summary = "", truncated = false } } })
return t]])
    assert.equal(1, document("melody-test", { "melody", "test", "hello" }).passed)
    os.remove(dir .. "/melodies/hello_test.lua")
  end)

  it("a run in a file", function()
    local path = dir .. "/run.tar.zst"
    assert.equal(1, document("export", { "export", "1", "--output", path }).number)
    assert.is_false(document("import", { "import", path, "--dry-run" }).imported)
    local doc = document("import", { "import", path })
    assert.is_true(doc.new_ids)
    assert.is_true(document("diff", { "diff", "1", tostring(doc.number) }).same)
    os.remove(path)
  end)

  it("events and logs are one document a line, in the order of commits", function()
    local last, count = 0, 0
    for line in run({ "events", "--json" }).out:gmatch("[^\n]+") do
      local event = fits("events", line)
      assert.is_true(event.seq > last)
      last, count = event.seq, count + 1
    end
    assert.is_true(count > 4)
    for line in run({ "logs", "1", "--json" }).out:gmatch("[^\n]+") do fits("logs", line) end
    assert.equal("", run({ "events", "--since", tostring(last), "--json" }).out)
  end)

  it("melodies", function()
    document("melody-ls", { "melody", "ls" })
    assert.is_true(document("melody-check", { "melody", "check", "hello" }).ok)
    document("melody-show", { "melody", "show", "hello" })
    document("melody-graph", { "melody", "graph", "hello", "--format", "dot" })
  end)

  it("extensions", function()
    document("ext-ls", { "ext", "ls" })
    document("ext-show", { "ext", "show", "git" })
    document("ext-operation", { "ext", "show", "git.diff" })
    document("ext-check", { "ext", "check", "git" })
    document("ext-new", { "ext", "new", "made", "--dir", "made" })
    document("ext-test", { "ext", "test", "made" })
    document("ext-dev", { "ext", "dev", "made", "--once" })
    document("ext-types", { "ext", "types" })
    document("ext-pause", { "ext", "pause", "git" })
    document("ext-pause", { "ext", "resume", "git" })
    document("ext-permissions", { "ext", "permissions" })
    document("ext-permission", { "ext", "permissions", "git", "--deny", "fs.write" })
    assert.equal("granted", document("ext-permission", { "ext", "permissions", "git", "--reset" }).state)
  end)

  it("settings", function()
    document("config-ls", { "config", "ls" })
    document("config-set", { "config", "set", "run.durability", "process" })
    local doc = document("config-get", { "config", "get", "run.durability", "--why" })
    assert.equal("project", doc.from)
    document("config-set", { "config", "set", "run.durability" })
  end)

  it("projects, trust, doctor, version and help", function()
    assert.equal(dir, document("projects", { "projects" }).projects[1].path)
    document("trust", { "untrust" })
    document("trust", { "trust" })
    document("doctor", { "doctor" })
    document("version", { "version" })
    document("help", { "help" })
    document("help-command", { "run", "--help" })
    document("help-error", { "help", "cycle" })
  end)

  it("artifacts", function()
    support.sh("git init -q . && git add a.txt && git -c user.name=a -c user.email=a@example.org commit -qm one",
      { cwd = dir })
    assert.equal(2, #document("run", { "run", "review" }).artifacts)
    local list = document("artifact-ls", { "artifact", "ls" })
    local hash = list.artifacts[1].hash
    document("artifact-show", { "artifact", "show", hash })
    document("artifact-cat", { "artifact", "cat", hash:sub(8, 20) })
    assert.equal(0, #document("artifact-verify", { "artifact", "verify" }).damaged)
    assert.is_true(document("artifact-pin", { "artifact", "pin", hash }).pinned)
    assert.is_true(document("artifact-ls", { "artifact", "ls" }).artifacts[1].pinned)
    assert.is_false(document("artifact-pin", { "artifact", "unpin", hash }).pinned)
    document("artifact-gc", { "artifact", "gc", "--dry-run" })
    document("gc", { "gc", "--dry-run" })
    document("gc", { "gc" })
    document("artifact-export", { "artifact", "export", hash, dir .. "/out.bin" })
  end)

  it("rows of the data model", function()
    document("data-entities", { "data" })
    assert.equal(1, #document("data", { "data", "user" }).rows)
  end)

  it("packages of extensions, from the key to the removal", function()
    support.write_file(dir .. "/kit/Symphony.toml", packages.manifest("acme/kit", {}))
    support.write_file(dir .. "/kit/init.lua", "return { say = function() return {} end }\n")
    local pack = document("ext-pack", { "ext", "pack", "kit" })
    local key = document("ext-keygen", { "ext", "keygen", "acme", "--no-password" })
    assert.equal(key.key, document("ext-sign", { "ext", "sign", pack.file, "--key", key.secret }).key)
    local done = document("ext-change", { "ext", "install", pack.file, "--key", key.public, "--yes" })
    assert.equal(pack.hash, done.changes[1].hash)
    document("ext-show", { "ext", "show", "acme/kit" })
    document("ext-ls", { "ext", "ls" })
    assert.equal("in-process", document("ext-trust", { "ext", "trust", "acme/kit" }).isolation)
    fits("installed", support.read_file(person.data_dir() .. "/extensions/.packages/installed.json"))
    support.write_file(dir .. "/extensions/own/Symphony.toml", packages.manifest("own", { needs = { ["acme/kit"] = "*" } }))
    support.write_file(dir .. "/extensions/own/init.lua", "return { say = require('acme/kit').say }\n")
    fits("symphony-lock", support.read_file(document("ext-change", { "ext", "install" }).lock))
    support.sh("rm -r extensions/own symphony.lock", { cwd = dir })
    assert.equal("remove", document("ext-change", { "ext", "remove", "acme/kit" }).changes[1].action)
    assert.equal(0, #document("ext-change", { "ext", "update" }).changes)
  end)

  it("a failure is the error alone", function()
    local doc, r = document("error", { "show", "99" }, 4)
    assert.equal("not_found", doc.error.code)
    assert.equal("", r.err)
  end)

  it("each schema is met by a command", function()
    for _, name in ipairs(paths.names(support.root .. "/docs/json")) do
      assert.is_true(met[name:gsub("%.json$", "")], name)
    end
  end)
end)
