--- Manifests with mistakes, spec/fixtures/manifests/NAME.toml: what `ext check` says of each is NAME.txt, and its exit
--- code is 2, but for those whose text has only warnings. SYMPHONY_UPDATE=1 writes the texts anew.
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local support = require "support"

local CORPUS = support.root .. "/spec/fixtures/manifests"
local FINE = { good = true, ["glob-everything"] = true, ["glob-home"] = true }

local CODE = 'local fs = require "fs"\nreturn { look = function(input) return { text = fs.read(input.path) } end }\n'

local dir

setup(function()
  dir = paths.real(support.tmpdir())
  support.sh(("cp %s/*.toml ."):format(CORPUS), { cwd = dir })
end)

local function checked(name)
  local folder = dir .. "/" .. name -- the manifest alone: an init.lua of another would be looked at, too
  support.write_file(folder .. "/Symphony.toml", support.read_file(("%s/%s.toml"):format(dir, name)))
  support.write_file(folder .. "/init.lua", CODE)
  return support.symphony({ "ext", "check", "Symphony.toml" }, { cwd = folder })
end

describe("the manifest", function()
  for _, file in ipairs(paths.names(CORPUS)) do
    local name = file:match "^(.*)%.toml$"
    if name then
      it(name .. " is told what is wrong, where, and what to do", function()
        local r, golden = checked(name), ("%s/%s.txt"):format(CORPUS, name)
        if os.getenv "SYMPHONY_UPDATE" then support.write_file(golden, r.err) end
        assert.equal(support.read_file(golden), r.err)
        assert.equal(FINE[name] and 0 or 2, r.code, r.out .. r.err)
        if not FINE[name] then assert.matches("Symphony%.toml:?%d*", r.err) end
      end)
    end
  end

  it("of ten MiB is refused before it is read", function()
    support.write_file(dir .. "/Symphony.toml", ("a = 1 # padding\n"):rep(10 << 16))
    local r = support.symphony({ "ext", "check", "Symphony.toml" }, { cwd = dir, timeout_s = 10 })
    assert.equal(2, r.code)
    assert.matches("more than 1 MiB", r.err)
  end)

  it("of whatever shape is checked without an error of Lua", function()
    local seed = 11
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n + 1
    end
    local NAMES = { "extension", "name", "operation", "look", "capabilities", "fs", "read", "fs.read", "dependencies",
      "player", "contributes", "command", "on", "memory", "estimate", "input", "cache", "reads", "motif", "instrument",
      "operator", "type", "version", "a/b", "" }
    local VALUES = { 1, -1, 0.5, true, false, "", "operator", "64MiB", "$PROJECT/**", "\255", "..", 1e300 }
    local function value(depth)
      if depth == 0 or random(3) == 1 then return VALUES[random(#VALUES)] end
      local made = {}
      for i = 1, random(4) - 1 do
        made[random(4) == 1 and i or NAMES[random(#NAMES)]] = value(depth - 1)
      end
      return made
    end
    for _ = 1, 5000 do
      local made = {}
      for _ = 1, random(6) do made[NAMES[random(#NAMES)]] = value(4) end
      local _, problems = manifest.check(made, {}, "Symphony.toml")
      assert.is_true(problems == nil or #problems > 0)
    end
  end)
end)
