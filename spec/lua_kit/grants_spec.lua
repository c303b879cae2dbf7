--- What an extension may do is never more than its manifest asks for and the person allows: random manifests and
--- narrowings against a model that asks of each thing whether each side allows it.
local effective = require "kit.grants.effective"
local narrow = require "kit.grants.narrow"
local plain = require "kit.plain"
local within = require "kit.grants.within"

-- ---- the model: what one grant allows, as core/kit/fsguard.c and caps.c have it ----

local CLOSED = {
  ["fs.read"] = { [".symphony"] = "anywhere" },
  ["fs.write"] = { [".symphony"] = "anywhere", [".git"] = "anywhere", ["Symphony.toml"] = "anywhere",
    melodies = "top", extensions = "top" },
}

local function names_of(path)
  local names = {}
  for name in path:gmatch "[^/]+" do names[#names + 1] = name end
  return names
end

local function name_fits(pattern, name)
  if pattern == "" then return name == "" end
  local c = pattern:sub(1, 1)
  if c == "*" then
    for i = 0, #name do
      if name_fits(pattern:sub(2), name:sub(i + 1)) then return true end
    end
    return false
  end
  return name ~= "" and (c == "?" or c == name:sub(1, 1)) and name_fits(pattern:sub(2), name:sub(2))
end

local function names_fit(pattern, i, path, k)
  if not pattern[i] then return not path[k] end
  if pattern[i] == "**" then
    return names_fit(pattern, i + 1, path, k) or path[k] ~= nil and names_fit(pattern, i, path, k + 1)
  end
  return path[k] ~= nil and name_fits(pattern[i], path[k]) and names_fit(pattern, i + 1, path, k + 1)
end

local function path_allowed(kind, grant, path)
  local pattern, names = names_of(grant), names_of(path)
  if not names_fit(pattern, 1, names, 1) then return false end
  local has = {}
  for _, name in ipairs(pattern) do has[name] = true end
  for i, name in ipairs(names) do
    local closed = CLOSED[kind][name]
    if closed and not has[name] and (closed == "anywhere" or i == 2 and names[1] == "$PROJECT") then return false end
  end
  return true
end

local function host_fits(host, wanted)
  if host == "*" then return true end
  local domain = host:match "^%*(%..+)$"
  if domain then return #wanted > #domain and wanted:sub(-#domain) == domain end
  return host == wanted
end

--- `wanted.private`: at an address that is not public, which only a grant without `*` opens.
local function net_allowed(grant, wanted)
  local host, port = grant:match "^(.+):([^:]+)$"
  if port ~= "*" and port ~= wanted.port then return false end
  return host_fits(host, wanted.host) and (not wanted.private or host:sub(1, 1) ~= "*")
end

local function word_allowed(grant, wanted)
  local start = grant:match "^(.*)%*$"
  return grant == wanted or start ~= nil and wanted:sub(1, #start) == start
end

local function allowed(kind, list, wanted)
  for _, grant in ipairs(list) do
    local yes
    if CLOSED[kind] then
      yes = path_allowed(kind, grant, wanted)
    elseif kind == "net" then
      yes = net_allowed(grant, wanted)
    else
      yes = word_allowed(grant, wanted)
    end
    if yes then return true end
  end
  return false
end

-- ---- everything that can be asked for, and every thing that can be done ----

local NAMES = { "a", "b", "ab", "*", "a*", "?", "**", "**", ".git", ".symphony", "melodies", "Symphony.toml", "[ab]" }
local REAL = { "a", "b", "ab", ".git", ".symphony", "melodies", "extensions", "Symphony.toml" }
local HOSTS = { "*", "*.x", "*.y.x", "x", "y.x", "z.y.x", "127.0.0.1", "localhost", "unix" }
local PORTS = { "1", "2", "*" }
local WORDS = { "*", "g*", "git", "gi", "go*", "make" }

local function paths()
  local list = {}
  for _, start in ipairs { "$PROJECT", "etc" } do
    list[#list + 1] = start
    for _, one in ipairs(REAL) do
      list[#list + 1] = start .. "/" .. one
      for _, two in ipairs(REAL) do
        list[#list + 1] = ("%s/%s/%s"):format(start, one, two)
        list[#list + 1] = ("%s/%s/%s/a"):format(start, one, two)
      end
    end
  end
  return list
end

local function hosts()
  local list = {}
  for _, host in ipairs { "x", "y.x", "z.y.x", "127.0.0.1", "localhost", "unix" } do
    for _, port in ipairs { "1", "2" } do
      local private = host == "127.0.0.1" or host == "localhost" or host == "unix"
      list[#list + 1] = { host = host, port = port, private = private }
    end
  end
  return list
end

local THINGS = { ["fs.read"] = paths(), net = hosts(), process = { "git", "gi", "go", "gofmt", "make", "g", "x" } }
THINGS["fs.write"], THINGS.env, THINGS.secrets, THINGS.editor = THINGS["fs.read"], THINGS.process, THINGS.process,
  THINGS.process

local function pick(random, list)
  return list[random(#list)]
end

local function grant(random, kind)
  if kind == "net" then return pick(random, HOSTS) .. ":" .. pick(random, PORTS) end
  if not CLOSED[kind] then return pick(random, WORDS) end
  local names = { random(5) == 1 and "/etc" or "$PROJECT" }
  for i = 2, random(4) do names[i] = pick(random, NAMES) end
  return table.concat(names, "/")
end

local function lists(random)
  local map = {}
  for _, kind in ipairs(effective.KINDS) do
    map[kind] = {}
    for i = 1, random(4) - 1 do map[kind][i] = grant(random, kind) end
  end
  return map
end

local function generator(seed)
  local state = seed
  return function(most)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % most + 1
  end
end

describe("what is granted", function()
  it("is within the manifest and within what the person allowed, for 400 random ones", function()
    local things, granted = 0, 0
    for seed = 1, 400 do
      local random = generator(seed)
      local asked, before, standing = lists(random), lists(random), random(2) == 1
      local decision = { state = "granted", asked = before, allow = {} }
      for _, kind in ipairs(effective.KINDS) do
        if random(2) == 1 then decision.allow[kind] = lists(random)[kind] end
      end
      local found = effective.of(asked, decision, standing)
      for _, kind in ipairs(effective.KINDS) do
        for _, thing in ipairs(THINGS[kind]) do
          if allowed(kind, found[kind], thing) then
            local where = ("seed %d, %s, %s"):format(seed, kind, type(thing) == "table" and thing.host or thing)
            assert.is_true(allowed(kind, asked[kind], thing), where .. ": not in the manifest")
            assert.is_true(standing or allowed(kind, before[kind], thing), where .. ": not decided on")
            local allow = decision.allow[kind]
            assert.is_true(allow == nil or allowed(kind, allow, thing), where .. ": not allowed")
            granted = granted + 1
          end
          things = things + 1
        end
      end
    end
    assert.is_true(granted > 1000 and granted < things / 2, ("%d of %d"):format(granted, things))
  end)

  it("covers only what was decided on, for 2,000 random pairs", function()
    for seed = 1, 2000 do
      local random = generator(seed)
      local before, now = lists(random), lists(random)
      if effective.covers({ asked = before }, now) then
        for _, kind in ipairs(effective.KINDS) do
          for _, thing in ipairs(THINGS[kind]) do
            assert.is_true(not allowed(kind, now[kind], thing) or allowed(kind, before[kind], thing), "seed " .. seed)
          end
        end
      end
    end
  end)

  it("takes from a person only what lies within the manifest", function()
    local accepted = 0
    for seed = 1, 3000 do
      local random = generator(seed)
      local asked, kind = lists(random), pick(random, effective.KINDS)
      local word = grant(random, kind)
      local one = narrow.grant(asked, kind, word)
      for _, thing in ipairs(one and THINGS[kind] or {}) do
        assert.is_true(not allowed(kind, { one }, thing) or allowed(kind, asked[kind], thing), "seed " .. seed)
      end
      accepted = accepted + (one and 1 or 0)
    end
    assert.is_true(accepted > 100, tostring(accepted))
  end)
end)

describe("one grant within another", function()
  local function check(kind, outer, inner, expected)
    assert.equal(expected, within.one(kind, outer, inner), ("%s: %s in %s"):format(kind, inner, outer))
  end

  it("is read of paths", function()
    check("fs.read", "$PROJECT/**", "src/*.lua", true)
    check("fs.read", "$PROJECT/src/**", "$PROJECT/src", true)
    check("fs.read", "$PROJECT/*.lua", "$PROJECT/init.lua", true)
    check("fs.read", "$PROJECT/*.lua", "$PROJECT/a/init.lua", false)
    check("fs.read", "$PROJECT/src/**", "$PROJECT/src/../secret", false)
    check("fs.read", "$PROJECT/**", "/etc/passwd", false)
    check("fs.read", "$PROJECT/**", "$HOME/x", false)
    check("fs.read", "$PROJECT/**", "$PROJECT/.symphony/**", false)
    check("fs.read", "$PROJECT/**", "$PROJECT/.git/**", true)
    check("fs.write", "$PROJECT/**", "$PROJECT/.git/**", false)
    check("fs.write", "$PROJECT/**", "$PROJECT/melodies/x.lua", false)
    check("fs.read", "$PROJECT/" .. ("**/"):rep(40) .. "a", "$PROJECT/" .. ("b/"):rep(40), false)
  end)

  it("is read of hosts: a `*` opens no address that is not public", function()
    check("net", "*:*", "example.org:443", true)
    check("net", "*.example.org:443", "api.example.org:443", true)
    check("net", "*.example.org:443", "*.api.example.org:443", true)
    check("net", "*.example.org:443", "example.org:443", false)
    check("net", "*.example.org:443", "api.example.org:80", false)
    check("net", "*:443", "127.0.0.1:443", false)
    check("net", "*:443", "0x7f.1:443", false)
    check("net", "*:443", "[::1]:443", false)
    check("net", "*:*", "LOCALHOST:80", false)
    check("net", "*:*", "unix:*", false)
  end)

  it("is read of names", function()
    check("process", "git", "git", true)
    check("env", "LC_*", "LC_ALL", true)
    check("env", "LC_ALL", "LC_*", false)
    check("secrets", "*", "key", true)
  end)
end)

describe("a difference", function()
  it("says what is new, wider and gone", function()
    local found = effective.difference(
      { ["fs.read"] = { "$PROJECT/src/**" }, process = { "git", "make" }, memory = "64MiB" },
      { ["fs.read"] = { "$PROJECT/**" }, process = { "git" }, net = { "x.org:1" }, memory = "1GiB" })
    assert.same({ net = { "x.org:1" } }, found.new)
    assert.same({ ["fs.read"] = { "$PROJECT/**" }, memory = "1GiB" }, found.widened)
    assert.same({ process = { "make" } }, found.gone)
    assert.is_true(found.more)
  end)

  it("that was refused leaves what there was, limits too", function()
    local before = { state = "granted", asked = { ["fs.read"] = { "$PROJECT/src/**" }, cpu = "2s" }, allow = {} }
    local asked = { ["fs.read"] = { "$PROJECT/**" }, net = { "x.org:1" }, cpu = "1h" }
    local decision = { state = "granted", asked = asked, allow = narrow.carry(before, asked, false) }
    local granted = effective.of(asked, decision, false)
    assert.same({ "$PROJECT/src/**" }, granted["fs.read"])
    assert.same({}, granted.net)
    assert.equal("2s", granted.cpu)
  end)

  it("that was allowed keeps what was narrowed of the rest", function()
    local before = { state = "granted", asked = { process = { "git", "make" }, net = {} }, allow = { process = { "git" } } }
    local asked = { process = { "git", "make", "sh" }, net = { "x.org:1" } }
    local decision = { state = "granted", asked = asked, allow = narrow.carry(before, asked, true) }
    local granted = effective.of(asked, decision, false)
    assert.same({ "git", "sh" }, granted.process)
    assert.same({ "x.org:1" }, granted.net)
  end)
end)

describe("text of others", function()
  it("is shown without what moves the cursor, hides or turns round", function()
    assert.equal("a?[31mb?c?d?e f", plain.clean "a\27[31mb\u{9b}c\u{202e}d\u{200b}e\nf")
    assert.equal("häßlich → 日本", plain.clean "häßlich → 日本")
    assert.equal("?x", plain.clean "\255x")
  end)
end)
