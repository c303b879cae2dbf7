--- Extensions from elsewhere, as a person installs, updates, takes back and removes them.
local json = require "sy.json"
local packages = require "packages"
local support = require "support"

local scene

before_each(function() scene = packages.scene() end)

local function said(name)
  return json.decode(scene:fine("call", name .. ".say").out).said
end

local function record()
  return json.decode(support.read_file(scene.store .. "/installed.json"))
end

--- How many calls began in a process of their own.
local function own_processes()
  local r = support.run { "sqlite3", scene.dir .. "/.symphony/symphony.db", "SELECT count(*) FROM pit_operation "
    .. "WHERE operation_context LIKE '%\"isolation\":\"process\"%'" }
  return math.tointeger(tonumber(r.out))
end

local function changes(...)
  return json.decode(scene:fine("ext", "--yes", "--json", ...).out).changes
end

describe("an extension that is installed", function()
  it("is refused with nothing left behind where nobody can say that it may", function()
    local dir = scene:extension "acme/base"
    scene:refused(3, "permission_denied.*nobody is here to say.*%-%-yes", "ext", "install", dir)
    assert.equal("", scene:installed())
    scene:refused(4, "not_found.*no package acme/none, which acme/tool 1.0.0 depends on", "ext", "install", "--yes",
      scene:extension("acme/tool", { needs = { ["acme/none"] = "*" } }))
    scene:refused(2, "manifest_invalid.*in a circle: acme/me %-> acme/me", "ext", "install", "--yes",
      scene:extension("acme/me", { needs = { ["acme/me"] = "*" } }))
    assert.equal("", scene:installed())
  end)

  it("is refused when its source, its name or its Symphony does not fit", function()
    scene:refused(4, "there is no folder and no file nowhere", "ext", "install", "nowhere")
    scene:refused(4, "there is no Symphony.toml", "ext", "install", scene.packages)
    scene:refused(2, "works with Symphony >=99", "ext", "install", scene:extension("acme/later", { symphony = ">=99" }))
    scene:refused(2, "git is bundled", "ext", "install", "--yes", scene:extension "git")
    scene:refused(2, "with one / after a publisher", "ext", "install", scene:extension("a/b/c", { folder = "abc" }))
    scene:refused(2, "`base` is no package: publisher/name", "ext", "install",
      scene:extension("acme/plain", { needs = { base = "*" } }))
    scene:refused(2, "there is no option", "ext", "install", "--yse", scene.packages)
    scene:refused(4, "there is no folder nowhere", "ext", "install", scene:extension "acme/base", "--from", "nowhere")
    assert.equal("", scene:installed())
  end)

  it("is asked about on a terminal", function()
    local dir = scene:extension("acme/base", { capabilities = 'process = ["make"]' })
    local c = support.start_symphony({ "ext", "install", dir }, { cwd = scene.dir, env = scene.env, pty = true })
    support.wait_until(function() return c:out():find "May it%?" end)
    assert.matches("starts programs: make", c:out())
    c:write "n\n"
    assert.equal(3, c:wait().code)
    assert.equal("", scene:installed())
  end)

  it("runs, is listed with where it came from, and in a process of its own until it is trusted", function()
    local done = changes("install", scene:extension "acme/base")[1]
    assert.equal("install", done.action)
    assert.equal("process", done.isolation)
    assert.equal("folder", done.origin)
    assert.equal("1.0.0", said "acme/base")
    assert.matches("acme/base +1.0.0 +installed", scene:fine("ext", "ls").out)
    assert.equal(0, #changes("install", scene.root .. "/sources/acme-base"))
    assert.matches("in a process of its own: it came from elsewhere", scene:fine("ext", "show", "acme/base").out)
    assert.equal(1, own_processes())
    assert.equal("in-process", json.decode(scene:fine("ext", "trust", "acme/base", "--json").out).isolation)
    assert.is_true(record().packages["acme/base"].trusted)
    assert.equal("1.0.0", said "acme/base")
    assert.equal(1, own_processes())
    assert.equal(0, scene:run("ext", "check", "acme/base").code)
    scene:fine("ext", "trust", "acme/base", "--revoke")
    assert.is_false(record().packages["acme/base"].trusted)
    scene:refused(4, "acme/bsae was not installed from elsewhere.*acme/base", "ext", "trust", "acme/bsae")
  end)

  it("is refused once a file of it is not what it was", function()
    changes("install", scene:extension("acme/base", { files = { ["lib/a.lua"] = "return 1\n" } }))
    local package_of = record().packages["acme/base"]
    local dir = scene.store .. "/" .. package_of.versions[package_of.current].folder
    for _, damage in ipairs { "echo x >>lib/a.lua", "rm lib/a.lua", "echo 'return 2' >more.lua", "rm init.lua",
      "ln -sf /etc/hosts lib/a.lua", "echo >>Symphony.toml" } do
      support.sh(damage, { cwd = dir })
      scene:refused(3, "not_trusted.*the installed acme/base is not what it was.*ext install", "call", "acme/base.say")
      scene:fine("ext", "install", "--yes", scene.root .. "/sources/acme-base")
      assert.equal("1.0.0", said "acme/base")
    end
    support.write_file(scene.store .. "/installed.json", "{}")
    scene:refused(2, "file_invalid.*installed.json is damaged", "ext", "update")
    assert.equal("file", json.decode(scene:fine("ext", "show", "file", "--json").out).name)
  end)
end)

describe("what an extension depends on", function()
  local function install_tool()
    scene:pack("acme/base", { files = { ["words.lua"] = "return 'words of base'\n" }, code = [[
      local words = require "words"
      return { say = function() return { said = words } end, words = words }]] })
    return changes("install", "--from", scene.packages, scene:extension("acme/tool", { needs = { ["acme/base"] = "^1" },
      files = { ["words.lua"] = "return 'words of tool'\n" }, code = [[
      local base, again = require "acme/base", require "acme/base"
      local words = require "words"
      return { say = function()
        local reached, why = pcall(require, "acme/other")
        local path = pcall(require, "acme/base/words")
        return { said = base.words .. ", " .. require "acme/base.words" .. ", " .. words,
          same = base == again, reached = reached, why = tostring(why), path = path }
      end }]] }))
  end

  it("is installed with it, and its modules are reached by its name only", function()
    assert.same({ "acme/base", "acme/tool" }, (function(list) return { list[1].name, list[2].name } end)(install_tool()))
    changes("install", scene:extension "acme/other")
    local result = json.decode(scene:fine("call", "acme/tool.say").out)
    assert.equal("words of base, words of base, words of tool", result.said)
    assert.is_true(result.same)
    assert.is_false(result.reached)
    assert.is_false(result.path)
    assert.matches("%[dependencies%] does not name this package", result.why)
    assert.equal("words of base", said "acme/base")
  end)

  it("cannot be removed while it is needed, and goes with the last that needed it", function()
    install_tool()
    scene:refused(2, "acme/base is needed by acme/tool 1.0.0.*%-%-force", "ext", "remove", "acme/base")
    local gone = json.decode(scene:fine("ext", "remove", "acme/tool", "--json").out).changes
    assert.equal(2, #gone)
    assert.equal("remove", gone[2].action)
    assert.equal("./installed.json\n", scene:installed())
    scene:refused(2, "unknown_operation", "call", "acme/tool.say")
  end)

  it("is missed with words when it was removed by force", function()
    install_tool()
    scene:fine("ext", "remove", "acme/base", "--force")
    scene:refused(2, "acme/tool depends on acme/base %^1: the package acme/base is not installed", "call", "acme/tool.say")
    assert.matches("acme/tool.*error", scene:fine("ext", "ls").out)
  end)

  it("decides which update there can be", function()
    install_tool()
    scene:pack("acme/base", { version = "1.5.0" })
    scene:pack("acme/base", { version = "2.0.0" })
    local done = changes("update", "acme/base", "--from", scene.packages)
    assert.equal("1.5.0", done[1].version)
    assert.equal(0, #changes("update", "acme/base", "--from", scene.packages))
    scene:refused(2, "manifest_invalid.*no version of acme/base suits all.*needs %^1", "ext", "install", "--yes",
      scene:extension("acme/base", { version = "2.0.0" }))
  end)

  it("is part of the hash of the code", function()
    install_tool()
    local before = json.decode(scene:fine("ext", "show", "acme/tool", "--json").out).code_hash
    scene:pack("acme/base", { version = "1.5.0" })
    changes("update", "acme/base", "--from", scene.packages)
    assert.not_equal(before, json.decode(scene:fine("ext", "show", "acme/tool", "--json").out).code_hash)
  end)
end)

describe("an update", function()
  it("takes what is there now, keeps the one before, and can be taken back", function()
    local dir = scene:extension("acme/base", { says = "one" })
    changes("install", dir)
    assert.equal(0, #changes "update")
    scene:extension("acme/base", { version = "1.1.0", says = "two" })
    local done = changes("update", "acme/base")[1]
    assert.same({ "update", "1.0.0", "1.1.0" }, { done.action, done.before, done.version })
    assert.equal("two", said "acme/base")
    scene:extension("acme/base", { version = "1.2.0", says = "three" })
    changes "update"
    done = changes("rollback", "acme/base")[1]
    assert.same({ "rollback", "1.2.0", "1.1.0" }, { done.action, done.before, done.version })
    assert.equal("two", said "acme/base")
    assert.equal("1.1.0", json.decode(scene:fine("ext", "show", "acme/base", "--json").out).version)
    changes("rollback", "acme/base")
    assert.equal("three", said "acme/base")
  end)

  it("asks again where it may more than before, and only there", function()
    local dir = scene:extension "acme/base"
    changes("install", dir)
    scene:extension("acme/base", { version = "1.1.0" })
    scene:fine("ext", "update", "acme/base")
    scene:extension("acme/base", { version = "1.2.0", capabilities = 'process = ["make"]' })
    scene:refused(3, "starts programs: make.*nobody is here", "ext", "update", "acme/base")
    assert.equal("1.1.0", said "acme/base")
    changes("update", "acme/base")
    assert.matches("gone: +starts programs: make", scene:fine("ext", "rollback", "acme/base").err)
    scene:refused(3, "starts programs: make.*nobody is here", "ext", "rollback", "acme/base")
  end)

  it("goes back with what it needs", function()
    scene:pack("acme/base", { version = "1.0.0", says = "old" })
    local reader = { code = 'local b = require "acme/base"\nreturn { say = function() return b.say() end }' }
    reader.needs = { ["acme/base"] = "^1" }
    changes("install", "--from", scene.packages, scene:extension("acme/tool", reader))
    scene:pack("acme/base", { version = "2.0.0", says = "new" })
    reader.version, reader.needs = "2.0.0", { ["acme/base"] = "^2" }
    scene:extension("acme/tool", reader)
    assert.equal(2, #changes("update", "acme/tool", "--from", scene.packages))
    assert.equal("new", said "acme/tool")
    assert.equal(2, #changes("rollback", "acme/tool"))
    assert.equal("old", said "acme/tool")
  end)

  it("is refused where there is nothing to go back to, or nothing installed", function()
    changes("install", scene:extension "acme/base")
    scene:refused(4, "there is no version of acme/base before 1.0.0", "ext", "rollback", "acme/base")
    scene:refused(4, "acme/none was not installed", "ext", "rollback", "acme/none")
    scene:refused(4, "acme/none was not installed", "ext", "update", "acme/none")
    scene:refused(4, "git was not installed", "ext", "remove", "git")
  end)

  it("of one does not keep the others from theirs", function()
    changes("install", scene:extension "acme/first")
    changes("install", scene:extension "acme/second")
    support.sh(("rm -r '%s/sources/acme-first'"):format(scene.root))
    scene:extension("acme/second", { version = "1.1.0" })
    scene:refused(1, "not_found.*acme%-first", "ext", "update")
    assert.equal("1.1.0", said "acme/second")
    assert.equal("1.0.0", said "acme/first")
  end)

  it("of a file looks where it lay, past what is no package there", function()
    changes("install", scene:pack "acme/base")
    scene:pack("acme/base", { version = "1.1.0" })
    support.write_file(scene.packages .. "/broken-1.0.0.sympkg", "no package")
    assert.equal("1.1.0", changes("update")[1].version)
    assert.equal(0, #changes "update")
    support.sh(("rm -r '%s'"):format(scene.packages))
    assert.equal(0, #changes "update")
    assert.equal("1.1.0", said "acme/base")
  end)

  it("of a version that is known with other content is refused", function()
    changes("install", scene:pack "acme/base")
    support.sh(("rm '%s'/*"):format(scene.packages))
    scene:refused(3, "acme/base 1.0.0 is known with another content", "ext", "install", "--yes",
      scene:pack("acme/base", { says = "other" }))
    assert.equal("1.0.0", said "acme/base")
  end)
end)

describe("a host that lives", function()
  it("goes on with the code it had when the extension is updated or removed", function()
    local dir = scene:extension("acme/base", { files = { ["words.lua"] = "return 'one'\n" },
      code = "return { say = function() return { said = require 'words' } end }\n" })
    changes("install", dir)
    support.write_file(scene.dir .. "/melodies/held.lua", [[
      local m = require "melody" "held"
      local first = m:task("first", "process.run", { argv = { "cat", "gate" } })
      local said = m:task("said", "acme/base.say", {}, { after = { first } })
      m:output("said", said)
      return m]])
    support.sh("mkfifo gate", { cwd = scene.dir })
    scene:fine "trust"
    local c = support.start_symphony({ "run", "held" }, { cwd = scene.dir, env = scene.env })
    support.wait_until(function() return scene:run("show").out:find "first" end)
    support.write_file(dir .. "/words.lua", "return 'two'\n")
    changes("update", "acme/base")
    assert.equal("two", said "acme/base")
    scene:fine("ext", "remove", "acme/base")
    support.sh("echo go >gate", { cwd = scene.dir })
    assert.equal(0, c:wait().code, c:err())
    local run = json.decode(scene:fine("show", "1", "--json").out)
    assert.equal("completed", run.status)
    assert.equal("one", run.outputs.said.said)
    assert.matches("said", scene:fine("show", "1").out)
    assert.equal(0, scene:run("logs", "1").code)
  end)

  it("has rows, tasks and events of each change", function()
    changes("install", scene:extension "acme/base")
    scene:extension("acme/base", { version = "1.1.0" })
    changes "update"
    changes("rollback", "acme/base")
    scene:fine("ext", "remove", "acme/base")
    local actions = {}
    for line in scene:fine("events", "--json", "--topic", "host.kit.>").out:gmatch "[^\n]+" do
      local event = json.decode(line)
      if event.event_type == "task_started" and event.payload.extension == "acme/base" then
        actions[#actions + 1] = event.payload.action .. " " .. event.payload.version
      end
    end
    assert.same({ "install 1.0.0", "update 1.1.0", "rollback 1.0.0", "remove 1.0.0" }, actions)
  end)

  it("of another project learns of a removal when it is opened", function()
    changes("install", scene:extension "acme/base")
    support.sh(("mkdir -m 700 -p '%s/other/.symphony'"):format(scene.root))
    local other = scene.root .. "/other"
    assert.equal(0, support.symphony({ "call", "acme/base.say" }, { cwd = other, env = scene.env }).code)
    scene:fine("ext", "remove", "acme/base")
    support.symphony({ "runs" }, { cwd = other, env = scene.env })
    local r = support.run({ "sqlite3", other .. "/.symphony/symphony.db",
      "SELECT count(*) FROM extension WHERE name = 'acme/base' AND removed_at IS NOT NULL" })
    assert.equal("1\n", r.out)
    assert.equal(0, support.symphony({ "show" }, { cwd = other, env = scene.env }).code)
  end)
end)

describe("an extension of the project that depends on a package", function()
  it("runs in a process of its own until that is trusted", function()
    changes("install", scene:extension "acme/base")
    support.write_file(scene.dir .. "/extensions/mine/Symphony.toml",
      packages.manifest("mine", { needs = { ["acme/base"] = "*" } }))
    support.write_file(scene.dir .. "/extensions/mine/init.lua", "return require 'acme/base'\n")
    scene:fine "trust"
    assert.equal("1.0.0", said "mine")
    assert.equal(1, own_processes())
    scene:fine("ext", "trust", "acme/base")
    assert.equal("1.0.0", said "mine")
    assert.equal(1, own_processes())
  end)
end)

describe("what a change that was cut off left behind", function()
  it("goes with the next one", function()
    changes("install", scene:extension "acme/base")
    support.sh("mkdir -p new-Xy12 acme+lost/1.0.0-aa acme+base/0.9.0-bb && touch acme+lost/1.0.0-aa/init.lua",
      { cwd = scene.store })
    changes("install", scene:extension "acme/other")
    local left = scene:installed()
    assert.is_nil(left:find "new%-" or left:find "lost" or left:find "0.9.0")
    assert.equal("1.0.0", said "acme/base")
  end)
end)

describe("several at the same time", function()
  it("are all installed", function()
    local running = {}
    for i = 1, 4 do
      local dir = scene:extension("acme/n" .. i)
      running[i] = support.start_symphony({ "ext", "install", dir, "--yes" }, { cwd = scene.dir, env = scene.env })
    end
    for _, one in ipairs(running) do
      local r = one:wait()
      assert.equal(0, r.code, r.err)
    end
    for i = 1, 4 do assert.is_table(record().packages["acme/n" .. i]) end
  end)
end)
