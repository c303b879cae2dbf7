--- Keys and signatures, with minisign's own program on the other side.
local json = require "sy.json"
local packages = require "packages"
local support = require "support"

local scene
before_each(function() scene = packages.scene() end)

local function minisign(words, stdin)
  return support.run({ "minisign", table.unpack(words) }, { cwd = scene.dir, env = scene.env, stdin = stdin })
end

local function keygen(name, ...)
  return json.decode(scene:fine("ext", "keygen", scene.dir .. "/" .. name, "--json", ...).out)
end

describe("a key", function()
  it("is made once, and kept from others", function()
    local key = keygen("acme", "--no-password")
    assert.matches("^%x+$", key.key)
    assert.equal("600", support.sh(("stat -c %%a '%s'"):format(key.secret)):match "%d+")
    scene:refused(2, "acme.pub already", "ext", "keygen", "acme", "--no-password")
    scene:refused(2, "nobody is here to type", "ext", "keygen", "other")
    support.write_file(scene.dir .. "/empty", "\n")
    scene:refused(2, "an empty password", "ext", "keygen", "other", "--password-file", "empty")
    scene:refused(2, "no password can be read", "ext", "keygen", "other", "--password-fd", "x")
  end)

  it("with a password is read by minisign, and the other way round; the password is typed unseen", function()
    local dir = scene:pack "acme/base"
    local c = support.start_symphony({ "ext", "keygen", "acme" }, { cwd = scene.dir, env = scene.env, pty = true })
    for _, question in ipairs { "Password of the key", "Once more" } do
      support.wait_until(function() return c:out():find(question) end)
      c:write "quite secret\n"
    end
    assert.equal(0, c:wait().code, c:out())
    assert.is_nil(c:out():find "quite secret")
    local r = minisign({ "-S", "-s", "acme.key", "-m", dir }, "quite secret\n")
    assert.equal(0, r.code, r.err)
    support.write_file(scene.dir .. "/wrong", "quite wrong\n")
    scene:refused(3, "the password is wrong", "ext", "sign", dir, "--key", "acme.key", "--password-file", "wrong")
    assert.equal("verified", json.decode(scene:fine("ext", "install", "--yes", "--json", "--key", "acme.pub",
      dir).out).changes[1].signature.state)
  end)

  it("of minisign with a password signs here", function()
    local dir = scene:pack "acme/base"
    local r = minisign({ "-G", "-p", "theirs.pub", "-s", "theirs.key" }, "their words\ntheir words\n")
    assert.equal(0, r.code, r.err)
    support.write_file(scene.dir .. "/password", "their words\n")
    scene:fine("ext", "sign", dir, "--key", "theirs.key", "--password-file", "password", "--comment", "from us")
    r = minisign { "-V", "-p", "theirs.pub", "-m", dir }
    assert.equal(0, r.code, r.err)
    assert.matches("Trusted comment: from us", r.out)
  end)
end)

describe("a signature", function()
  it("is refused where the key or the file is none", function()
    local file = scene:pack "acme/base"
    scene:refused(2, "%-%-key KEYFILE is missing", "ext", "sign", file)
    scene:refused(4, "No such file", "ext", "sign", file, "--key", "none.key")
    scene:refused(2, "it is no secret key of minisign", "ext", "sign", file, "--key", file)
    keygen("acme", "--no-password")
    scene:refused(2, "it is no secret key of minisign", "ext", "sign", file, "--key", "acme.pub")
    scene:refused(4, "there is no file none", "ext", "sign", "none", "--key", "acme.key")
    scene:refused(2, "a comment is one line", "ext", "sign", file, "--key", "acme.key", "--comment", "a\nb")
    local text = support.read_file(scene.dir .. "/acme.key")
    support.write_file(scene.dir .. "/bent.key", (text:gsub("(\n................................................"
      .. "............................)(.)", function(head, one) return head .. (one == "A" and "B" or "A") end)))
    local bent = scene:run("ext", "sign", file, "--key", "bent.key")
    assert.is_true(bent.code == 2 or bent.code == 3, bent.err)
  end)

  it("is checked by minisign, and minisign's here", function()
    local file = scene:pack "acme/base"
    keygen("acme", "--no-password")
    local signed = json.decode(scene:fine("ext", "sign", file, "--key", "acme.key", "--json").out)
    local r = minisign { "-V", "-p", "acme.pub", "-m", file }
    assert.equal(0, r.code, r.err)
    assert.matches("file:acme%-base%-1.0.0.sympkg", r.out)
    assert.equal(0, minisign({ "-G", "-W", "-p", "theirs.pub", "-s", "theirs.key" }).code)
    r = minisign { "-S", "-s", "theirs.key", "-m", file, "-t", "their comment" }
    assert.equal(0, r.code, r.err)
    local installed = json.decode(scene:fine("ext", "install", "--yes", "--json", "--key", "theirs.pub", file).out)
    assert.same({ "verified", "theirs", "their comment" }, { installed.changes[1].signature.state,
      installed.changes[1].signature.signer, installed.changes[1].signature.comment })
    scene:refused(3, ("not with " .. signed.key), "ext", "install", "--yes", "--key", "acme.pub", file)
  end)
end)

describe("a signed package", function()
  local file, key
  before_each(function()
    file = scene:pack "acme/base"
    key = keygen("acme", "--no-password")
    scene:fine("ext", "sign", file, "--key", "acme.key")
  end)

  local function signature(...)
    return json.decode(scene:fine("ext", "install", "--yes", "--json", file, ...).out).changes[1].signature
  end

  it("is refused when the file, the signature or its comment was changed", function()
    local good, signed = support.read_file(file), support.read_file(file .. ".minisig")
    local function changed(pattern)
      scene:refused(3, pattern, "ext", "install", "--yes", "--key", "acme.pub", file)
      assert.equal("", scene:installed())
    end
    support.write_file(file, good .. "x")
    changed "the signature is not of this file"
    support.write_file(file, good)
    support.write_file(file .. ".minisig", (signed:gsub("timestamp:", "timestamp:1")))
    changed "the comment of the signature was changed"
    support.write_file(file .. ".minisig", "no signature\n")
    scene:refused(3, "it is no signature of minisign", "ext", "install", "--yes", "--key", "acme.pub", file)
    support.sh(("rm '%s.minisig'"):format(file))
    changed "there is no signature"
    scene:refused(2, "is no public key of minisign", "ext", "install", "--yes", "--key", "nothing", file)
    scene:refused(2, "%-%-key is for .sympkg files", "ext", "install", "--yes", "--key", "acme.pub",
      scene:extension "acme/base")
  end)

  it("of an unknown key is installed as that, of a known one as its signer's", function()
    assert.same({ state = "unknown", key = key.key, signer = json.null, comment = json.null }, signature())
    scene:fine("ext", "remove", "acme/base")
    support.sh(("mkdir -p '%s/home/.local/share/symphony/keys' && cp '%s' '%s/home/.local/share/symphony/keys/'"):format(
      scene.root, key.public, scene.root))
    assert.same({ "verified", "acme" }, (function(one) return { one.state, one.signer } end)(signature()))
    scene:fine("ext", "remove", "acme/base")
    support.write_file(file, support.read_file(file) .. "x")
    scene:refused(3, "not of this file", "ext", "install", "--yes", file)
  end)

  it("is a line as a key, too", function()
    local line = support.read_file(key.public):match "\n(.-)\n"
    assert.equal("verified", signature("--key", line).state)
  end)

  it("is followed only by what the same key signed", function()
    signature("--key", "acme.pub")
    scene:pack("acme/base", { version = "1.1.0" })
    scene:refused(3, "was signed with the key " .. key.key .. ", the new version is not", "ext", "update", "--yes",
      "acme/base")
    scene:fine("ext", "sign", scene.packages .. "/acme-base-1.1.0.sympkg", "--key", "acme.key")
    assert.equal("1.1.0", json.decode(scene:fine("ext", "update", "--yes", "--json", "acme/base", "--key",
      "acme.pub").out).changes[1].version)
  end)
end)
