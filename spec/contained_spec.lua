--- What children of the `process` capability may do: what their extension was granted, and nothing else. Each case runs
--- a hostile script as the user of the spec and, when that is root, as an ordinary user, too.
local json = require "sy.json"
local paths = require "kit.paths"
local process = require "sy.process"
local support = require "support"
local system = require "sy.system"

local MANIFEST = [[
[extension]
name = "hostile"
version = "0.1.0"
type = "operator"
description = "Starts programs that try what it may not."
[operator]
operator_type = "test"
[operation.run]
doc = "Runs a script."
effects = "external"
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/out/**", "$PROJECT/*.txt", "$PROJECT/made/**"]
process = ["*"]
timeout = "60s"
]]

local CODE = [[
local process = require "process"
return { run = function(input)
  local r, message, code = process.run { argv = input.argv, env = input.env, timeout = input.timeout }
  if not r then return nil, message, code end
  return r
end }
]]

local NOBODY = { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--" }
local users = { { name = "this user", prefix = {} } }
if system.user().uid == 0 and process.which "setpriv" then users[2] = { name = "an ordinary user", prefix = NOBODY } end

local base, dir, home

local function scene(user)
  base = support.sh("mktemp -d /tmp/symphony-contained-XXXXXX"):match "%S+" -- where another user can go, too
  dir, home = base .. "/project", base .. "/home"
  support.write_file(dir .. "/extensions/hostile/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/hostile/init.lua", CODE)
  support.write_file(dir .. "/melodies/mine.lua", "return 1")
  support.write_file(dir .. "/notes.txt", "notes")
  support.write_file(dir .. "/code.sh", "echo from the project\n")
  support.write_file(dir .. "/out/here", "here")
  support.write_file(home .. "/.ssh/id", "private key")
  support.write_file(base .. "/other/file", "another project")
  support.sh("git init -q . && ln -s ../other away", { cwd = dir })
  if #user.prefix > 0 then support.run { "chown", "-R", "65534:65534", "--", base } end
end

local function program(user, argv, environment)
  local whole = table.move(user.prefix, 1, #user.prefix, 1, {})
  whole[#whole + 1] = support.bin
  table.move(argv, 1, #argv, #whole + 1, whole)
  local env = { HOME = home, XDG_DATA_HOME = false, XDG_CONFIG_HOME = false, XDG_CACHE_HOME = false,
    XDG_STATE_HOME = false, XDG_RUNTIME_DIR = false, TMPDIR = base .. "/tmp" }
  for name, value in pairs(environment or {}) do env[name] = value end
  return support.run(whole, { cwd = dir, env = env, timeout_s = 120 })
end

local function call(user, input, environment)
  local r = program(user, { "call", "--json", "hostile.run", json.encode(input) }, environment)
  return r, json.decode(r.out)
end

for _, user in ipairs(users) do
  describe("a child of an extension, as " .. user.name .. ",", function()
    setup(function()
      scene(user)
      support.sh("mkdir -m 1777 tmp", { cwd = base })
      assert.equal(0, program(user, { "trust" }).code)
    end)

    teardown(function() support.run { "rm", "-rf", "--", base } end)

    local function sh(script, environment)
      local r, document = call(user, { argv = { "sh", "-c", script }, timeout = 30 }, environment)
      assert.equal(0, r.code, r.out .. r.err)
      return document
    end

    local function fails(script)
      local r = sh(script)
      assert.are_not.equal(0, r.exit_code, script .. "\n" .. r.stdout .. r.stderr)
      return r
    end

    local function works(script)
      local r = sh(script)
      assert.equal(0, r.exit_code, script .. "\n" .. r.stdout .. r.stderr)
      return r.stdout
    end

    it("reads and runs what was granted", function()
      assert.equal("notes", works "cat notes.txt")
      assert.equal("from the project\n", works "sh ./code.sh")
      assert.truthy(works("ls"):find("notes.txt", 1, true))
      assert.equal("ref: refs/heads", works("cat .git/HEAD"):sub(1, 15))
    end)

    it("reads nothing else", function()
      for _, path in ipairs { "/etc/passwd", "/etc/shadow", "/etc/group", home .. "/.ssh/id", "~/.ssh/id", "../other/file",
        "away/file", ".symphony/symphony.db", "/proc/1/cmdline", "/proc/$PPID/environ", "/proc/$PPID/cmdline",
        "/root/.profile", "/var/log/dpkg.log" } do
        assert.equal("", fails("cat " .. path).stdout)
      end
      fails("ls " .. home)
      fails "ls ~nobody /root /home"
    end)

    it("writes where it was granted, and nowhere else", function()
      works "echo new >out/new && mkdir -p out/a/b && mv out/new out/a/b/new && rm -r out/a && echo x >>notes.txt"
      works "echo x >made/x && rm made/x"
      for _, path in ipairs { "code.sh", "melodies/mine.lua", "melodies/new.lua", ".git/config", ".git/hooks/pre-commit",
        "extensions/hostile/init.lua", "extensions/hostile/new.lua", ".symphony/symphony.db", ".symphony/x", "Symphony.toml",
        "new", "../other/file", "../new", "away/file", home .. "/.profile", "/tmp/symphony-contained", "/usr/x",
        "/dev/shm/symphony-contained" } do
        fails("echo hacked >" .. path)
        fails("rm -f " .. path .. " && test ! -e " .. path .. " && test -e notes.txt && echo x > " .. path)
      end
      assert.equal("return 1", support.read_file(dir .. "/melodies/mine.lua"))
      assert.equal("another project", support.read_file(base .. "/other/file"))
      assert.equal("echo from the project\n", support.read_file(dir .. "/code.sh"))
    end)

    it("cannot truncate, move or link what it may not write", function()
      fails "truncate -s 0 code.sh"
      fails "mv code.sh out/"
      fails "mv .git out/"
      fails "ln code.sh out/linked"
      works "ln -s ../melodies/mine.lua out/soft"
      fails "echo hacked >out/soft"
      works "rm out/soft"
    end)

    it("has a HOME and TMPDIR of its own that are gone afterwards", function()
      local out = works 'echo x >"$HOME/x" && echo y >"$TMPDIR/y" && mktemp >/dev/null && mkdir -p "$HOME/a/b" && echo "$HOME"'
      local folder = out:match "%S+"
      assert.are_not.equal(home, folder)
      assert.is_nil(paths.stat(folder))
      assert.equal("", support.sh("ls -A tmp", { cwd = base }))
    end)

    it("opens no socket", function()
      local python = [[
import socket, sys
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_DGRAM)
        sys.exit("opened %d" % family)
    except OSError as e:
        if e.errno not in (13, 1, 97, 22, 93, 94): sys.exit(str(e))
a, b = socket.socketpair()
a.send(b"x")
print(b.recv(1).decode())
]]
      local r, document = call(user, { argv = { "/usr/bin/python3", "-c", python }, timeout = 30 })
      if r.code == 3 then return end -- no python3 of the system here
      assert.equal("x\n", document.stdout, r.out)
    end)

    it("starts other programs and compilers", function()
      works 'printf "int main(void) { return 7; }\\n" >out/a.c && cc -o out/a out/a.c && { out/a; test $? = 7; } && rm out/a out/a.c'
      works 'printf "all:\\n\\techo made >out/made\\n" >"$TMPDIR/Makefile" && make -s -f "$TMPDIR/Makefile" && rm out/made'
      assert.equal("3\n", works "lua5.4 -e 'print(1 + 2)'")
      works "git status --short && git --version"
      works "command -v node >/dev/null || exit 0; node -e 'require(\"child_process\").execSync(\"true\")'"
      works "cat < /dev/null && echo x >/dev/null && head -c 1 /dev/urandom >/dev/null && date && sort </dev/null"
      works "echo one | (cat; echo two) | sort | uniq"
    end)

    it("keeps no namespace, tracing, mount, key or clock", function()
      fails "unshare -Ur true"
      fails "unshare -m true"
      fails "mount -t tmpfs none out"
      fails "chroot / true"
      fails "hostname x"
      fails "date -s 2000-01-01"
      fails "setarch -R true"
      fails "mknod out/device b 7 0"
      fails "kill -0 $PPID"
      fails "kill -0 1"
      fails "command -v strace >/dev/null || exit 1; strace -o out/s true"
      assert.equal("0\n", works "ulimit -c")
      assert.truthy(works("grep NoNewPrivs /proc/self/status || cat /proc/$$/status | grep NoNewPrivs"):find "1")
    end)

    it("leaves nothing running, wherever it hides", function()
      local mark = "7" .. tostring(process.pid()) .. tostring(#user.prefix)
      local script = [[
        setsid sh -c 'echo >out/one; exec sleep MARK1' </dev/null >/dev/null 2>&1 &
        (setsid sh -c '(setsid sh -c "echo >out/two; exec sleep MARK2" &) ; exec sleep MARK3' >/dev/null 2>&1 &) &
        (trap "" TERM HUP; cd /; exec setsid nohup sh -c "echo >$OLDPWD/out/three; exec sleep MARK4" >/dev/null 2>&1 <&-) &
        until [ -e out/one ] && [ -e out/two ] && [ -e out/three ]; do :; done
        rm out/one out/two out/three; echo started]]
      assert.equal("started\n", works((script:gsub("MARK", mark))))
      local r = support.run { "pgrep", "-f", "sleep " .. mark }
      assert.equal("", r.out)
    end)

    it("leaves nothing running when its time is over", function()
      local mark = "8" .. tostring(process.pid()) .. tostring(#user.prefix)
      local script = ("(setsid sh -c 'trap \"\" TERM; sleep %s' >/dev/null 2>&1 &); exec sleep %s"):format(mark, mark)
      local r, document = call(user, { argv = { "sh", "-c", script }, timeout = 0.5 })
      assert.equal("timeout", document.error and document.error.code, r.out)
      assert.equal("", support.run({ "pgrep", "-f", "sleep " .. mark }).out)
    end)

    it("runs unheld where the kernel has no Landlock, and says so", function()
      local r = sh("cat /etc/hostname", { SYMPHONY_TEST_LANDLOCK = "0" })
      assert.equal(0, r.exit_code)
      local doctor = program(user, { "doctor", "--json" }, { SYMPHONY_TEST_LANDLOCK = "0" })
      local found
      for _, check in ipairs(json.decode(doctor.out).checks) do if check.name == "Landlock" then found = check end end
      assert.equal("warn", found.state)
      assert.is_string(found.action)
    end)

    it("is held to less by an older Landlock, but not to nothing", function()
      for level = 1, 6 do
        local env = { SYMPHONY_TEST_LANDLOCK = tostring(level) }
        assert.are_not.equal(0, sh("cat " .. home .. "/.ssh/id", env).exit_code, level)
        assert.are_not.equal(0, sh("truncate -s 0 code.sh || : <>code.sh", env).exit_code, level)
        assert.equal(0, sh("cat notes.txt && echo x >out/x && rm out/x", env).exit_code, level)
      end
      assert.equal("echo from the project\n", support.read_file(dir .. "/code.sh"))
    end)
  end)
end
