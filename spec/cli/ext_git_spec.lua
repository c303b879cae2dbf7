--- Extensions out of Git repositories: what is committed, and nothing that the repository would like to do besides.
local json = require "sy.json"
local packages = require "packages"
local support = require "support"

local scene, dir

local function sh(line)
  return support.sh(line, { cwd = dir, env = scene.env })
end

local function commit(message)
  sh(("git add -A && git -c user.name=Ada -c user.email=ada@example.invalid commit -qm '%s'"):format(message))
end

before_each(function()
  scene = packages.scene()
  dir = scene:extension("acme/base", { says = "committed" })
  sh "git init -q -b main"
  commit "a package"
  sh "git tag v1"
end)

local function changes(...)
  return json.decode(scene:fine("ext", "--yes", "--json", ...).out).changes
end

local function said()
  return json.decode(scene:fine("call", "acme/base.say").out).said
end

describe("an extension out of a repository", function()
  it("is what was committed, and its revision is kept", function()
    scene:extension("acme/base", { says = "not committed" })
    support.write_file(dir .. "/more.lua", "")
    local one = changes("install", dir)[1]
    assert.equal("git", one.origin)
    assert.equal(sh("git rev-parse HEAD"):match "%x+", one.revision)
    assert.equal("committed", said())
    assert.equal(0, #changes "update")
    commit "more"
    assert.equal("update", changes("update", "acme/base")[1].action)
    assert.equal("not committed", said())
  end)

  it("is what an address with a tag, a branch or a revision says", function()
    scene:extension("acme/base", { version = "2.0.0", says = "two" })
    commit "two"
    local address = "git+file://" .. dir
    assert.equal("1.0.0", changes("install", address .. "#v1")[1].version)
    assert.equal(0, #changes("update"))
    assert.equal("2.0.0", changes("install", address)[1].version)
    local first = sh("git rev-parse v1"):match "%x+"
    sh "git config uploadpack.allowAnySHA1InWant true"
    assert.equal("1.0.0", changes("install", address .. "#" .. first)[1].version)
    scene:refused(1, "process_failed.*none", "ext", "install", "--yes", address .. "#none")
    scene:refused(1, "process_failed", "ext", "install", "--yes", "git+file:///nowhere")
    assert.equal("1.0.0", json.decode(scene:fine("ext", "show", "acme/base", "--json").out).version)
  end)

  it("runs nothing of the repository or of the person's filters and templates", function()
    local marks = scene.root .. "/ran"
    sh("mkdir -p .git/hooks ../../home/templates/hooks")
    for _, hook in ipairs { "post-checkout", "post-merge", "reference-transaction" } do
      for _, at in ipairs { ".git/hooks/", "../../home/templates/hooks/" } do
        support.write_file(dir .. "/" .. at .. hook, "#!/bin/sh\necho hook >>" .. marks .. "\n")
        sh("chmod +x '" .. at .. hook .. "'")
      end
    end
    support.write_file(dir .. "/.gitattributes", "*.lua filter=evil\n")
    commit "attributes"
    support.write_file(scene.root .. "/home/.gitconfig", ("[init]\n templateDir = %s/home/templates\n"
      .. "[filter \"evil\"]\n smudge = echo filter >>%s; cat\n"):format(scene.root, marks))
    support.run { "rm", "-f", marks }
    changes("install", dir)
    assert.is_false(support.exists(marks))
    assert.equal("committed", said())
    assert.equal("", support.sh("ls -A", { cwd = scene.root .. "/tmp" }))
  end)

  it("is refused for links, submodules, and addresses that are commands", function()
    sh "ln -s /etc/hosts hosts.lua"
    commit "a link"
    scene:refused(2, "`hosts.lua` is a link", "ext", "install", "--yes", dir)
    sh "git rm -q hosts.lua && git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),inner"
    sh "git -c user.name=A -c user.email=a@example.invalid commit -qm inner"
    scene:refused(2, "`inner` is a submodule", "ext", "install", "--yes", dir)
    for _, address in ipairs { "git+ext::sh -c 'touch ran'", "git+--upload-pack=touch ran", "git+file:///x#--upload-pack=x" } do
      local r = scene:run("ext", "install", "--yes", address)
      assert.is_true(r.code == 1 or r.code == 2, r.err)
      assert.is_false(support.exists(scene.dir .. "/ran"))
    end
    assert.equal("", scene:installed())
  end)
end)
