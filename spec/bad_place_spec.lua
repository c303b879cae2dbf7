--- Bad places: no disk left, nothing writable, a damaged or newer database, repositories of every kind, large files.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"
local system = require "sy.system"

local dir, mounted

local function symphony(...) return support.symphony({ ... }, { cwd = dir, timeout_s = 120 }) end

local function refused(exit, code, ...)
  local r = symphony("--json", ...)
  assert.equal(exit, r.code, r.out .. r.err)
  local failure = json.decode(r.out).error
  assert.equal(code, failure.code)
  local said = symphony(...)
  assert.equal(exit, said.code)
  assert.matches("error[" .. code .. "]", said.err, 1, true)
  return said.err
end

--- Mounts over the project; false where that is not allowed.
local function mount(...)
  if system.user().uid ~= 0 then return false end
  local r = support.run { "mount", ... }
  mounted = mounted or r.code == 0
  return r.code == 0
end

local function sound()
  local r = support.run { support.bin, "--project", dir, "doctor", "--json" }
  for _, check in ipairs(json.decode(r.out).checks) do
    if check.name == "database" then assert.equal("ok", check.state or check.status, r.out) end
  end
end

before_each(function() dir = paths.real(support.tmpdir()) end)
after_each(function()
  if mounted then support.run { "umount", "-l", dir } end
  mounted = nil
end)

describe("a full disk", function()
  it("is said, exit 1; with space again everything is there and works", function()
    if not mount("-t", "tmpfs", "-o", "size=4m", "none", dir) then return pending "only root mounts" end
    assert.equal(0, symphony("run", "hello").code)
    support.run({ "sh", "-c", "head -c 10M /dev/zero >fill" }, { cwd = dir })
    assert.matches("No space left", refused(1, "disk_full", "run", "hello"))
    support.sh("rm fill", { cwd = dir })
    assert.equal("completed", json.decode(symphony("show", "1", "--json").out).status)
    assert.equal(0, symphony("run", "hello").code)
    sound()
  end)

  it("has no room for a second copy of the database, which is said before one is begun", function()
    if not mount("-t", "tmpfs", "-o", "size=8m", "none", dir) then return pending "only root mounts" end
    assert.equal(0, symphony("run", "hello").code)
    support.sh("dd if=/dev/zero of=fill bs=1k count=$(($(stat -f -c '%a * %S / 1024' .) - 400)) 2>/dev/null",
      { cwd = dir })
    assert.matches("needs", refused(1, "disk_full", "gc", "--compact"), 1, true)
    support.sh("rm fill", { cwd = dir })
    sound()
    assert.equal(0, symphony("gc", "--compact").code)
    sound()
  end)

  it("before the database is made leaves nothing in the way", function()
    if not mount("-t", "tmpfs", "-o", "size=64k", "none", dir) then return pending "only root mounts" end
    refused(1, "disk_full", "run", "hello")
    support.sh("mount -o remount,size=8m .", { cwd = dir })
    assert.equal(0, symphony("run", "hello").code)
  end)
end)

describe("a project that cannot be written", function()
  it("is said with what to do; what was there can be seen again afterwards", function()
    support.write_file(dir .. "/a.txt", "x")
    if not (mount("--bind", dir, dir) and mount("-o", "remount,ro,bind", dir)) then return pending "only root mounts" end
    local said = refused(1, "io_error", "run", "hello")
    assert.matches("Read-only file system", said, 1, true)
    assert.matches("must be writable", said, 1, true)
    assert.equal(0, symphony("runs").code)
    support.sh("mount -o remount,rw,bind .", { cwd = dir })
    assert.equal(0, symphony("run", "hello").code)
    support.sh("mount -o remount,ro,bind .", { cwd = dir })
    assert.matches("Read-only file system", refused(1, "io_error", "run", "hello"), 1, true)
    assert.matches("Read-only file system", refused(1, "io_error", "gc"), 1, true)
    support.sh("mount -o remount,rw,bind .", { cwd = dir })
    assert.equal(1, #json.decode(symphony("runs", "--json").out).runs)
  end)
end)

describe("a database", function()
  local file
  before_each(function()
    assert.equal(0, symphony("run", "hello").code)
    file = dir .. "/.symphony/symphony.db"
  end)

  local function flip(from, size)
    local text = assert(support.read_file(file))
    support.write_file(file, text:sub(1, from) .. ("\xa5"):rep(size) .. text:sub(from + size + 1))
  end

  it("with a damaged header is refused and left as it is", function()
    flip(0, 16)
    local before = support.read_file(file)
    refused(1, "db_damaged", "runs")
    assert.matches("doctor", refused(1, "db_damaged", "run", "hello"))
    assert.equal(before, support.read_file(file))
  end)

  it("with damaged pages is refused; doctor says so", function()
    local size = #support.read_file(file)
    for at = 4096, size - 4096, 4096 do flip(at, 512) end
    refused(1, "db_damaged", "run", "hello")
    local doctor = symphony "doctor"
    assert.equal(1, doctor.code)
    assert.matches("malformed", doctor.out .. doctor.err)
  end)

  it("that was cut off is refused", function()
    support.write_file(file, support.read_file(file):sub(1, 10000))
    refused(1, "db_damaged", "runs")
  end)

  it("of a newer program is refused, untouched", function()
    local text = support.read_file(file)
    support.write_file(file, text:sub(1, 60) .. "\0\0\3\xe7" .. text:sub(65))
    local before = support.read_file(file)
    for _, words in ipairs { { "run", "hello" }, { "runs" }, { "show" }, { "artifact", "ls" } } do
      assert.matches("update Symphony", refused(1, "db_newer", table.unpack(words)))
    end
    assert.equal(before, support.read_file(file))
  end)
end)

describe("review", function()
  local function review()
    local r = symphony("run", "review", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    return json.decode(r.out)
  end

  it("of a repository without commits reviews what is there", function()
    support.sh("git init -q . && echo 'x TODO y' >a.txt", { cwd = dir })
    assert.equal("completed", review().status)
    assert.equal("?? a.txt\n", support.sh("git status --short", { cwd = dir }))
  end)

  it("of an empty repository and of a single commit completes", function()
    support.sh("git init -q .", { cwd = dir })
    review()
    support.sh("echo x >a.txt && git add -A && git commit -qm one", { cwd = dir })
    review()
    assert.equal("", support.sh("git status --short", { cwd = dir }))
  end)

  it("of a shallow clone completes", function()
    support.sh([[git init -q from && cd from && echo a >a.txt && git add -A && git commit -qm one &&
      echo b >>a.txt && git commit -qam two && cd .. && git clone -q --depth 1 "file://$PWD/from" clone]], { cwd = dir })
    dir = dir .. "/clone"
    review()
  end)

  it("outside of a repository says so", function()
    local r = symphony("run", "review")
    assert.equal(1, r.code)
    assert.matches("not inside a Git repository", r.err, 1, true)
  end)

  it("of binary files and of names and text that are not UTF-8 names each file", function()
    support.sh([[git init -q . && printf 'a\n' >a.txt && head -c 50000 /dev/urandom >x.bin && git add -A && git commit -qm one
      printf 'TODO one\n' >>a.txt; head -c 50000 /dev/urandom >x.bin; printf 'TODO two \200\201\n' >latin.txt
      printf 'TODO three\n' >"$(printf 'caf\351 \t"q'"'"'\n<b>.txt')"; git add -A]], { cwd = dir })
    local document = review()
    assert.equal("completed", document.status)
    local shown = symphony("run", "review").out
    assert.is_not_nil(utf8.len(shown))
    for _, place in ipairs { "a.txt:2", "latin.txt:1", 'caf?  "q' } do assert.matches(place, shown, 1, true) end
    local marks
    for _, artifact in ipairs(document.artifacts) do
      local text = symphony("artifact", "cat", artifact.id).out
      marks = marks or text:find("latin.txt", 1, true) and text
      assert.is_nil(text:find("<b>.txt", 1, true) and text:find("<html", 1, true))
    end
    assert.matches("a.txt", marks, 1, true)
    assert.matches("x.bin", marks, 1, true)
  end)
end)

describe("an artifact of 100 MB", function()
  it("is stored, verified and given back", function()
    support.write_file(dir .. "/extensions/large/Symphony.toml", [[
[extension]
name = "large"
version = "0.1.0"
type = "operator"
description = "Makes much."
[operator]
operator_type = "test"
[operation.make]
doc = "Makes an artifact of 100 MB."
effects = "none"
[capabilities]
memory = "256MiB"
cpu = "30s"
timeout = "2m"
]])
    support.write_file(dir .. "/extensions/large/init.lua", [[
return { make = function(_, ctx)
  local w = ctx.writer("test", { name = "large" })
  for i = 1, 100 do w:write(("%07d\n"):format(i):rep(125000)) end
  return w:close()
end }
]])
    assert.equal(0, symphony("trust").code)
    local r = symphony("call", "large.make", "--json")
    assert.equal(0, r.code, r.out .. r.err)
    local made = json.decode(r.out)
    assert.equal(100000000, made.size)
    assert.equal(0, symphony("artifact", "verify").code)
    local out = support.sh(("'%s' artifact cat %s | sha256sum"):format(support.bin, made["$artifact"]), { cwd = dir })
    assert.equal(made["$artifact"]:sub(8), out:match "%x+")
  end)
end)
