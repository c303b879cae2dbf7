--- Permissions as their person meets them: refused where nobody decided, asked about on a terminal, narrowed, taken
--- back, shown in exactly these words, and recorded when they are used.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "count"
version = "0.1.0"
type = "operator"
description = "Counts words."

[operator]
operator_type = "text"

[operation.words]
doc = "How many words a file has."
effects = "read"

[operation.start]
doc = "Starts a program."
effects = "read"

[operation.ask]
doc = "Asks somebody."

[operation.secretly]
doc = "Uses a secret."

[operation.change]
doc = "Writes."
effects = "write"

[capabilities]
fs.read = ["$PROJECT/**"]
process = ["wc"]
]]

local CODE = [[
local fs = require "fs"
local http = require "http"
local process = require "process"
return {
  words = function(input)
    local text, why, code = fs.read(input.path)
    if not text then return nil, why, code end
    return select(2, text:gsub("%S+", ""))
  end,
  start = function(input) return process.run { argv = { input.program }, stdin = "a b c" } end,
  ask = function(input) return http.request { url = input.url } end,
  secretly = function() return process.run { argv = { "wc" }, env = { KEY = { secret = "key" } } } end,
  change = function(input) return fs.write(input.path, "x") end,
}
]]

local ASKED = [[
  reads files: the project
  starts programs: wc
  does not: write files, use the network, read environment variables, use
    secrets, act in an editor
]]

local dir, home

local function options(more)
  local o = { cwd = dir, env = { HOME = home, XDG_DATA_HOME = home .. "/data", XDG_CONFIG_HOME = home .. "/config",
    LOGNAME = "someone" } }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

local function symphony(...)
  return support.symphony({ ... }, options())
end

local function fine(...)
  local r = symphony(...)
  assert.equal(0, r.code, r.out .. r.err)
  return r.out
end

local function refused(code, pattern, ...)
  local r = symphony(...)
  assert.equal(code, r.code, r.out .. r.err)
  assert.matches(pattern, r.err)
  return r.err
end

local function standing()
  return json.decode(fine("ext", "permissions", "count", "--json"))
end

local function manifest(capabilities, version)
  local text = MANIFEST:gsub("%[capabilities%].*$", function() return "[capabilities]\n" .. capabilities end)
  support.write_file(dir .. "/extensions/count/Symphony.toml", (text:gsub("0%.1%.0", version or "0.1.0")))
end

--- The words without who and when.
local function without_person(text)
  return (text:gsub("by %S+ on %d+%-%d+%-%d+", "by P on D"))
end

local function grants()
  return support.read_file(home .. "/data/symphony/grants")
end

--- Types on a terminal: an answer for each prompt, and gives all that was shown.
local function converse(words, answers)
  local c = support.start_symphony(words, options { pty = true })
  local from = 1
  for _, step in ipairs(answers) do
    from = support.wait_until(function()
      local _, last = c:out():find(step[1], from, true)
      return last and last + 1
    end)
    c:write(step[2] .. "\n")
  end
  local r = c:wait()
  return r.code, (r.out:gsub("\r\n", "\n"))
end

before_each(function()
  dir, home = paths.real(support.tmpdir()), paths.real(support.tmpdir())
  fine "init"
  support.write_file(dir .. "/extensions/count/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/count/init.lua", CODE)
  support.write_file(dir .. "/src/a.txt", "one two three\n")
  support.write_file(dir .. "/b.txt", "one\n")
end)

local function words(path)
  return symphony("call", "count.words", "-p", "path=" .. (path or "src/a.txt"))
end

describe("an extension that nobody decided on", function()
  it("is refused where nobody is there, with the line that asks and the command that allows it", function()
    local said = refused(3, "permission_denied", "call", "count.words", "-p", "path=src/a.txt")
    assert.equal([[
error[permission_denied]: count asks for what nobody allowed yet: it reads files: the project; starts programs: wc
  extensions/count/Symphony.toml:29
  symphony ext permissions count --approve   allows it; symphony ext permissions count   shows all, and what it does not ask for
]], said)
    assert.is_nil(grants())
    local shown = json.decode(symphony("call", "count.words", "--json").out)
    assert.equal("permission_denied", shown.error.code)
    assert.same({ 29, "extensions/count/Symphony.toml" }, { shown.error.where.line, shown.error.where.file })
  end)

  it("is not refused where it asks for nothing", function()
    manifest ""
    support.write_file(dir .. "/extensions/count/init.lua", "return { words = function() return 1 end }\n")
    assert.equal("1\n", fine("call", "count.words"))
  end)

  it("is refused where a call of it takes more memory than usual", function()
    manifest 'memory = "8GiB"\n'
    refused(3, "takes more memory or time than a call usually gets", "call", "count.words")
  end)

  it("is asked about once on a terminal, in these words", function()
    local code, shown = converse({ "call", "count.words", "-p", "path=src/a.txt" }, { { "[c]hange: ", "y" } })
    assert.equal(0, code)
    assert.equal("count 0.1.0, of this project, is used for the first time. It\n" .. ASKED .. [[
  A call gets 64MiB of memory, 2s of computing, 30s in all
May it? [y]es, [N]o, [c]hange: y
3
]], shown)
    assert.equal("3\n", words().out)
    assert.equal("first use", standing().decision.how)
  end)

  it("may be denied there, and stays so until that is taken back", function()
    local code, shown = converse({ "call", "count.words" }, { { "[c]hange: ", "" } })
    assert.equal(3, code)
    assert.matches("count may not be used: %S+ denied it on", shown)
    local said = refused(3, "permission_denied", "call", "count.words")
    assert.is_truthy(said:find("/data/symphony/grants:1\n  symphony ext permissions count --reset", 1, true), said)
    fine("ext", "permissions", "count", "--reset")
    refused(3, "nobody allowed yet", "call", "count.words")
  end)

  it("may be narrowed there, line by line, to what lies within what it asks for", function()
    local code, shown = converse({ "call", "count.words", "-p", "path=src/a.txt" }, {
      { "[c]hange: ", "c" },
      { "reads files: the project   [Y]es, [n]o, or what instead: ", "/etc/**" },
      { "is not within what it asks for", "src/**, b.txt" },
      { "starts programs: wc   [Y]es, [n]o, or what instead: ", "n" },
      { "So it", "y" },
    })
    assert.equal(0, code, shown)
    assert.matches("So it\n  reads files: src/%*%* in the project, b.txt in the project\n  does not: write files, start",
      shown)
    assert.same({ "$PROJECT/src/**", "$PROJECT/b.txt" }, standing().granted["fs.read"])
    assert.same({}, standing().granted.process)
    assert.equal("1\n", words("b.txt").out)
  end)
end)

describe("symphony trust", function()
  it("says what the project's extensions may do then, and lets an unattended run", function()
    assert.equal(dir .. " was trusted already\ncount may be used. It\n" .. ASKED .. [[
  A call gets 64MiB of memory, 2s of computing, 30s in all
symphony ext permissions NAME   takes something away
]], fine "trust")
    assert.equal("3\n", words().out)
    assert.equal(dir .. " was trusted already\n", fine "trust")
  end)

  it("does not give back what was taken away or denied", function()
    fine("ext", "permissions", "count", "--deny", "process")
    manifest('fs.read = ["$PROJECT/**"]\nprocess = ["wc"]\nenv = ["HOME"]\n')
    fine "trust"
    assert.same({}, standing().granted.process)
    assert.same({ "HOME" }, standing().granted.env)
    fine("ext", "permissions", "count", "--deny", "all")
    manifest('fs.read = ["$PROJECT/**"]\nprocess = ["wc", "cat"]\n')
    fine "trust"
    assert.equal("denied", standing().state)
  end)
end)

describe("a manifest that changed", function()
  before_each(function() fine "trust" end)

  it("is refused where it asks for more, and asked about in the words of the difference", function()
    manifest('fs.read = ["$PROJECT/src/**"]\nprocess = ["wc", "sh"]\nnet = ["example.org:443"]\n', "0.2.0")
    refused(3, "count asks for more than you allowed: it starts programs: sh; talks to: example.org:443\n"
      .. "  extensions/count/Symphony.toml:30", "call", "count.words", "-p", "path=src/a.txt")
    local code, shown = converse({ "call", "count.words", "-p", "path=src/a.txt" }, { { "[c]hange: ", "n" } })
    assert.equal(0, code)
    assert.equal([[
count 0.2.0, of this project, asks for more than you allowed
  new: starts programs: sh
  new: talks to: example.org:443
  gone: reads files: the project
May it? [y]es, [N]o, [c]hange: n
3
]], shown)
    local now = standing()
    assert.same({ "narrowed", { "wc" }, {} }, { now.state, now.granted.process, now.granted.net })
    assert.same({ "$PROJECT/src/**" }, now.granted["fs.read"])
  end)

  it("is not asked about where it asks for less", function()
    manifest 'fs.read = ["$PROJECT/src/**"]\n'
    assert.equal("3\n", words().out)
    refused(3, "permission_denied.*add  fs.read", "call", "count.words", "-p", "path=b.txt")
  end)
end)

describe("ext permissions", function()
  it("shows what is asked, granted, taken away, by whom, and what is not asked for", function()
    fine "trust"
    fine("ext", "permissions", "count", "--allow", "fs.read=src/**", "--deny", "process")
    refused(3, "you took it away", "call", "count.start", "-p", "program=wc")
    assert.equal([[
count 0.1.0, project: allowed in part, by P on D (ext permissions)
It asks for
  reads files: the project
  starts programs: wc
It may
  reads files: src/** in the project
Taken away or narrowed
  reads files: the project
  starts programs: wc
It
  does not: write files, start programs, use the network, read environment
    variables, use secrets, act in an editor
A call gets 64MiB of memory, 2s of computing, 30s in all
In the last runs
  process: 1 times, 1 of them refused
  only refusals are recorded   symphony config set kit.audit all
]], without_person(fine("ext", "permissions", "count")))
    assert.matches("It is allowed in part, by P on D %(ext permissions%)\n  taken away or narrowed: reads files",
      without_person(fine("ext", "show", "count")))
    assert.equal("narrowed", json.decode(fine("ext", "show", "count", "--json")).permission)
    assert.matches("count +project +narrowed +reads files: src/%*%* in the project\n", fine("ext", "permissions"))
  end)

  it("narrows what the core enforces, and a refusal says how to get it back", function()
    fine("ext", "permissions", "count", "--allow", "fs.read=src/**", "--deny", "process")
    assert.equal("3\n", words().out)
    refused(3, "may not read `b.txt`.*took it away: symphony ext permissions count %-%-allow fs.read", "call",
      "count.words", "-p", "path=b.txt")
    refused(3, "may not read `/etc/passwd`.*to Symphony.toml", "call", "count.words", "-p", "path=/etc/passwd")
    fine("ext", "permissions", "count", "--allow", "fs.read")
    assert.equal("1\n", words("b.txt").out)
    refused(3, "may not start wc.*%-%-allow process", "call", "count.start", "-p", "program=wc")
    fine("ext", "permissions", "count", "--approve")
    assert.matches("3", fine("call", "count.start", "-p", "program=wc"))
    assert.equal("granted", standing().state)
  end)

  it("narrows a bundled extension, for every project", function()
    fine("ext", "permissions", "file", "--allow", "fs.read=src/**")
    refused(3, "ext permissions file %-%-allow fs.read", "call", "file.read", "-p", "path=b.txt")
    fine("call", "file.read", "-p", "path=src/a.txt")
    fine("ext", "permissions", "file", "--reset")
    fine("call", "file.read", "-p", "path=b.txt")
  end)

  it("refuses what it cannot do, and changes nothing", function()
    fine "trust"
    local before = grants()
    refused(2, "fs.read = /etc/%*%* is not within what it asks for", "ext", "permissions", "count", "--allow",
      "fs.read=/etc/**")
    refused(2, "does not ask for net", "ext", "permissions", "count", "--allow", "net=example.org:443")
    refused(2, "does not ask for net", "ext", "permissions", "count", "--allow", "net")
    refused(2, "no capability `fs.raed`.*fs.read", "ext", "permissions", "count", "--deny", "fs.raed")
    refused(2, "is not what it may do as a whole", "ext", "permissions", "count", "--deny", "fs.read=src/**")
    refused(2, "stands alone", "ext", "permissions", "count", "--reset", "--approve")
    refused(2, "NAME is missing", "ext", "permissions", "--approve")
    refused(4, "there is no extension", "ext", "permissions", "nobody")
    assert.equal(before, grants())
  end)

  it("takes one of several away", function()
    manifest 'process = ["wc", "cat"]\n'
    fine("ext", "permissions", "count", "--deny", "process=cat")
    assert.same({ "wc" }, standing().granted.process)
    assert.same({ "cat" }, standing().withheld.process)
  end)

  it("keeps what was decided with the person only, and not in a project that says so itself", function()
    fine "trust"
    assert.matches('^{.*"extension":"count".*\n$', grants())
    assert.equal("600\n", support.sh("stat -c %a " .. home .. "/data/symphony/grants"))
    assert.equal("", support.sh("grep -rl '\"state\":\"granted\"' . || true", { cwd = dir .. "/.symphony" }):gsub(
      "%./symphony%.db%S*\n", ""), "")
  end)

  it("relies on no record that is damaged or that others may write", function()
    fine("ext", "permissions", "file", "--deny", "fs.read")
    support.write_file(home .. "/data/symphony/grants", grants() .. "{nonsense\n")
    refused(2, "file_invalid.*grants:2", "call", "file.read", "-p", "path=b.txt")
    support.write_file(home .. "/data/symphony/grants", "")
    support.sh("chmod 666 " .. home .. "/data/symphony/grants")
    refused(2, "others may write it", "call", "file.read", "-p", "path=b.txt")
  end)

  it("shows nothing of a manifest that would steer a terminal", function()
    support.write_file(dir .. "/extensions/count/Symphony.toml", (MANIFEST
      :gsub("Counts words%.", '\\u001b[2Jsafe\\u202e')
      :gsub('%["wc"%]', '["wc\\u001b[1A\\u009b2K", "a\\nb"]')))
    for _, command in ipairs { { "ext", "permissions", "count" }, { "ext", "show", "count" }, { "ext", "ls" },
      { "trust" }, { "ext", "permissions" } } do
      local out = fine(table.unpack(command))
      assert.is_nil(out:find "[\27\127]", table.concat(command, " "))
      assert.is_nil(out:find("\u{9b}", 1, true))
      assert.is_nil(out:find("\u{202e}", 1, true))
    end
    fine("ext", "permissions", "count", "--reset")
    local _, shown = converse({ "call", "count.words" }, { { "[c]hange: ", "n" } })
    assert.matches("starts programs: wc%?%[1A%?2K, a b\n", shown)
    assert.is_nil(shown:gsub("\27%[[%d;]*m", ""):find "\27")
  end)
end)

describe("an installed extension", function()
  local source

  before_each(function()
    source = paths.real(support.tmpdir())
    support.sh(("cp -r extensions/count/. %s && rm -rf extensions/count"):format(source), { cwd = dir })
  end)

  it("is narrowed at install, asked about again when an update wants more, and forgotten when removed", function()
    local code = converse({ "ext", "install", source }, {
      { "[c]hange: ", "c" }, { "reads files: the project   [Y]es", "src/**" }, { "starts programs: wc", "" },
      { "So it", "y" } })
    assert.equal(0, code)
    assert.same({ "$PROJECT/src/**" }, standing().granted["fs.read"])
    assert.equal("3\n", words().out)
    support.write_file(source .. "/Symphony.toml", (MANIFEST:gsub("0%.1%.0", "0.2.0")
      :gsub("process", 'env = ["LANG"]\nprocess')))
    refused(3, "count 0.2.0 from %S+\n  new: reads environment variables: LANG\nerror.permission_denied.: nobody is here",
      "ext", "update", "count")
    fine("ext", "update", "count", "--yes")
    assert.same({ "$PROJECT/src/**" }, standing().granted["fs.read"])
    assert.same({ "LANG" }, standing().granted.env)
    assert.equal("--yes", standing().decision.how)
    fine("ext", "remove", "count")
    assert.equal("", grants())
  end)
end)

describe("the audit", function()
  local function events()
    local list = {}
    for line in fine("events", "--topic", "kit.capability.>", "--json"):gmatch "[^\n]+" do
      local one = json.decode(line)
      assert.equal(one.event_type, one.topic)
      assert.equal("count", one.payload.extension)
      list[#list + 1] = ("%s %s %s %s"):format(one.topic:match "[^.]+%.[^.]+%.(.*)", one.payload.operation, one.payload.what,
        one.payload.allowed)
    end
    return list
  end

  before_each(function() fine "trust" end)

  it("records what was refused, and nothing else, unless it is told to", function()
    words()
    refused(3, "denied", "call", "count.words", "-p", "path=" .. dir .. "/../secret")
    refused(3, "denied", "call", "count.start", "-p", "program=sh")
    refused(3, "denied", "call", "count.change", "-p", "path=src/../b.txt")
    refused(3, "denied", "call", "count.ask", "-p", "url=https://example.invalid/path?query=hidden")
    refused(3, "denied", "call", "count.secretly")
    local outside = paths.parent(dir) .. "/secret"
    assert.same({ "fs.read count.words " .. outside .. " false", "process count.start sh false",
      "fs.write count.change b.txt false", "net count.ask example.invalid:443 false",
      "secrets count.secretly key false" }, events())
  end)

  it("records every use where kit.audit is all, counted by ext permissions", function()
    fine("config", "set", "kit.audit", "all")
    words()
    words(dir .. "/b.txt")
    words "none.txt"
    fine("call", "count.start", "-p", "program=wc")
    refused(3, "denied", "call", "count.start", "-p", "program=sh")
    assert.same({ "fs.read count.words src/a.txt true", "fs.read count.words b.txt true",
      "fs.read count.words none.txt true", "process count.start wc true", "process count.start sh false" }, events())
    assert.matches("\n  fs.read: 3 times\n  process: 2 times, 1 of them refused\n", fine("ext", "permissions", "count"))
    assert.same({ { capability = "fs.read", allowed = 3, denied = 0 },
      { capability = "process", allowed = 1, denied = 1 } }, standing().uses)
  end)

  it("records the same of an extension in a process of its own", function()
    local source = paths.real(support.tmpdir())
    support.sh(("cp -r extensions/count/. %s && rm -rf extensions/count"):format(source), { cwd = dir })
    fine("ext", "install", source, "--yes")
    fine("config", "set", "kit.audit", "all")
    assert.equal("3\n", words().out)
    refused(3, "denied", "call", "count.start", "-p", "program=sh")
    assert.same({ "fs.read count.words src/a.txt true", "process count.start sh false" }, events())
  end)
end)

describe("the row of the kit", function()
  it("holds the policies, what is granted to whom, and who said so", function()
    fine("ext", "permissions", "count", "--deny", "process")
    words()
    local row = json.decode(fine("data", "orchestra_kit", "--json")).rows[1]
    local context = type(row.security_context) == "string" and json.decode(row.security_context) or row.security_context
    assert.same({ "deny", true, "denied" }, { context.default, context.trusted, context.audit })
    assert.same({ "$PROJECT/**" }, context.grants.count["fs.read"])
    assert.same({}, context.grants.count.process)
    assert.same({ "granted", "ext permissions", true },
      { context.decisions.count.state, context.decisions.count.how, context.decisions.count.narrowed })
  end)
end)
