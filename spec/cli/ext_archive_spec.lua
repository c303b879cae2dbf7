--- Files of packages: the same bytes for the same folder, and hostile ones refused with nothing left behind.
local json = require "sy.json"
local packages = require "packages"
local support = require "support"

local scene
before_each(function() scene = packages.scene() end)

local CODE = "return { say = function() return {} end }\n"

local function entries(...)
  return { { name = "Symphony.toml", data = packages.manifest("acme/base", {}) }, { name = "init.lua", data = CODE }, ... }
end

--- Installs a crafted archive, which must be refused with these words and leave nothing.
local function refused(pattern, list, options)
  options = options or {}
  local path = packages.zstd(scene.packages .. "/" .. (options.name or "acme-base-1.0.0.sympkg"),
    options.bytes or packages.tar(list))
  scene:refused(options.exit or 2, pattern, "ext", "install", "--yes", path)
  assert.equal("", scene:installed())
  assert.equal("", support.sh("ls -A", { cwd = scene.root .. "/tmp" }))
  support.sh(("rm '%s'"):format(path))
end

describe("a file that is no honest package", function()
  it("is refused for paths that lead elsewhere", function()
    for _, name in ipairs { "../evil.lua", "a/../../evil.lua", "/etc/evil", "a//b", ".hidden", "a/.b", "C:evil", "a b.lua",
      "a\\b", "\xff\xfe.lua", "\xc3\xa9.lua" } do
      refused("file_invalid.*name that is not allowed", entries { name = name, data = "x" })
    end
  end)

  it("is refused for what is no file", function()
    for _, kind in ipairs { "1", "2", "3", "4", "5", "6" } do
      refused("file_invalid.*no file", entries { name = "lib.lua", type = kind, link = "../../secret" })
    end
  end)

  it("is refused for names that are one name, twice or to some systems", function()
    refused("an entry twice", entries { name = "init.lua", data = CODE })
    refused("`init.lua` and `INIT.lua` are one name", entries { name = "INIT.lua", data = CODE })
    refused("`lib` and `Lib", entries({ name = "lib/a.lua", data = "" }, { name = "Lib/b.lua", data = "" }))
    refused("`lib` and `lib", entries({ name = "lib", data = "" }, { name = "lib/b.lua", data = "" }))
  end)

  it("is refused when the manifest is not first, not there, or says another name", function()
    refused("Symphony.toml is not its first file", { { name = "init.lua", data = CODE }, entries()[1] })
    refused("there is no Symphony.toml in .*acme%-base", {}, { bytes = packages.tar {}, exit = 4,
      name = "acme-base-1.0.0.sympkg" })
    refused("its name must be acme%-base%-1.0.0.sympkg", entries(), { name = "acme-base-1.0.1.sympkg" })
    refused("its name must be acme%-base%-1.0.0.sympkg", entries(), { name = "acme-other-1.0.0.sympkg" })
    refused("manifest_invalid", { { name = "Symphony.toml", data = "[extension]\nname = 3\n" } })
    refused("its entry init.lua is not there", { entries()[1] })
  end)

  it("is refused for sizes beyond any honest one", function()
    refused("an entry that is too large", entries { name = "huge.bin", size = 1 << 32 })
    refused("unpacks to too much", (function()
      local list, data = entries(), ("\0"):rep(16 << 20)
      for i = 1, 4 do list[#list + 1] = { name = "zero" .. i, data = data } end
      return list
    end)())
    refused("too many entries", (function()
      local list = entries()
      for i = 1, 2000 do list[#list + 1] = { name = "e" .. i } end
      return list
    end)())
  end)

  it("is refused when it is cut off or no archive", function()
    local whole = packages.tar(entries())
    refused("damaged", nil, { bytes = whole:sub(1, 700) })
    refused("damaged: Unrecognized archive format", nil, { bytes = "no archive at all" })
    local path = scene.packages .. "/acme-base-1.0.0.sympkg"
    support.write_file(path, "plain text")
    scene:refused(2, "file_invalid", "ext", "install", "--yes", path)
    assert.equal("", scene:installed())
  end)

  it("keeps a whole folder of --from from being used", function()
    packages.zstd(scene.packages .. "/acme-base-1.0.0.sympkg", packages.tar { { name = "init.lua", data = CODE } })
    scene:refused(2, "acme%-base%-1.0.0.sympkg: it is no package", "ext", "install", "--yes", "--from", scene.packages,
      scene:extension("acme/tool", { needs = { ["acme/base"] = "*" } }))
    assert.equal("", scene:installed())
  end)
end)

describe("a folder that is packed", function()
  local function sum(path)
    return support.sh(("sha256sum < '%s'"):format(path))
  end

  it("gives the same bytes wherever, whenever and by whomever it is packed", function()
    local dir = scene:extension("acme/base", { files = { ["lib/a.lua"] = "return 1\n", ["spec/a_spec.lua"] = "-- tests\n",
      ["README.md"] = "# Base\n", [".gitignore"] = "x\n", [".git/HEAD"] = "ref", [".symphony/x"] = "y" } })
    local first = json.decode(scene:fine("ext", "pack", dir, "-o", scene.packages, "--json").out)
    assert.equal(5, first.files)
    support.sh(([[umask 077; mkdir -p '%s/else/where' && cp -r '%s' '%s/else/where/copy' && cd '%s/else/where/copy' &&
      touch -d 2001-02-03 init.lua Symphony.toml && chmod 700 init.lua && umask 000]]):format(scene.root, dir, scene.root,
      scene.root))
    local second = json.decode(scene:fine("ext", "pack", scene.root .. "/else/where/copy", "-o",
      scene.root .. "/else/acme-base-1.0.0.sympkg", "--json").out)
    assert.equal(first.sha256, second.sha256)
    assert.equal(sum(first.file), sum(second.file))
    assert.equal("sha256:" .. sum(first.file):match "%x+", first.sha256)
  end)

  it("is, as a file, what the folder is", function()
    local dir = scene:extension "acme/base"
    local packed = json.decode(scene:fine("ext", "pack", dir, "-o", scene.packages, "--json").out)
    local from_file = json.decode(scene:fine("ext", "install", "--yes", "--json", packed.file).out).changes[1]
    assert.equal(packed.hash, from_file.hash)
    assert.equal("file", from_file.origin)
    assert.same(json.array {}, json.decode(scene:fine("ext", "install", "--yes", "--json", dir).out).changes)
  end)

  it("is refused when it would give away a secret", function()
    for _, name in ipairs { ".env", ".env.local", "server.key", "lib/tls.pem", "id_ed25519", ".npmrc", "secrets.json" } do
      local dir = scene:extension("acme/base", { files = { [name] = "x" }, folder = "s-" .. name:gsub("%W", "") })
      scene:refused(2, "looks like a secret", "ext", "pack", dir, "-o", scene.packages)
    end
    assert.equal("", support.sh("ls", { cwd = scene.packages }))
  end)

  it("is refused when it is not fit to be installed", function()
    local linked = scene:extension("acme/base", { folder = "linked" })
    support.sh("ln -s /etc/hosts hosts.lua", { cwd = linked })
    scene:refused(2, "is a link or a device", "ext", "pack", linked)
    scene:refused(2, "is no name for a file of a package", "ext", "pack",
      scene:extension("acme/base", { folder = "blank", files = { ["a b.lua"] = "" } }))
    scene:refused(2, "init.lua:1", "ext", "pack", scene:extension("acme/base", { folder = "broken", code = "return {" }))
    scene:refused(4, "there is no Symphony.toml", "ext", "pack", scene.packages)
    local good = scene:extension "acme/base"
    scene:fine("ext", "pack", good, "-o", scene.packages)
    scene:refused(2, "there is a file .* already", "ext", "pack", good, "-o", scene.packages)
  end)
end)
