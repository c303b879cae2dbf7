local process = require "sy.process"

describe("process.run of trusted Lua", function ()
  it("refuses what is no argument vector", function ()
    assert.has_error(function () process.run {argv = {}} end)
    assert.has_error(function () process.run {argv = "ls"} end)
    assert.has_error(function () process.run {argv = {"ls", 1}} end)
    assert.has_error(function () process.run {argv = {"a\0b"}} end)
    assert.has_error(function () process.run {argv = {"ls"}, env = {["A=B"] = "x"}} end)
    assert.has_error(function () process.run {argv = {"ls"}, timeout = "soon"} end)
  end)

  it("names the program that is missing", function ()
    local r, message, code = process.run {argv = {"no-such-program-here"}}
    assert.is_nil(r)
    assert.truthy(message:find("no-such-program-here", 1, true))
    assert.equal("not_found", code)
  end)

  it("gives exit code and both outputs", function ()
    local r = assert(process.run {argv = {"sh", "-c", "printf 'a\\0b'; echo e >&2; exit 3"}})
    assert.same({3, "a\0b", "e\n"}, {r.exit_code, r.stdout, r.stderr})
  end)

  it("feeds stdin, sets the environment and the folder", function ()
    local r = assert(process.run {argv = {"sh", "-c", "cat; echo $X; pwd"}, stdin = "in\n", env = {X = "y"}, cwd = "/usr"})
    assert.equal("in\ny\n/usr\n", r.stdout)
  end)

  it("hands output on as it comes", function ()
    local seen = {stdout = "", stderr = ""}
    assert(process.run {
      argv = {"sh", "-c", "echo one; echo two >&2"},
      on_output = function (stream, bytes) seen[stream] = seen[stream] .. bytes end,
    })
    assert.same({stdout = "one\n", stderr = "two\n"}, seen)
  end)

  it("ends the program when on_output raises", function ()
    local ok, message = pcall(process.run, {
      argv = {"sh", "-c", "echo x; exec sleep 60"},
      on_output = function () error("no more", 0) end,
    })
    assert.is_false(ok)
    assert.equal("no more", message)
  end)

  it("makes a failed check an error with the program's last words", function ()
    local r, message, code = process.run {argv = {"sh", "-c", "echo because >&2; exit 2"}, check = true}
    assert.is_nil(r)
    assert.equal("sh exited with 2: because", message)
    assert.equal("process_failed", code)
  end)

  it("ends what takes too long", function ()
    local r, message, code = process.run {argv = {"sleep", "60"}, timeout = 0.05}
    assert.is_nil(r)
    assert.truthy(message:find("longer than 0.05 s", 1, true))
    assert.equal("timeout", code)
  end)

  it("drops and counts beyond max_output", function ()
    local r = assert(process.run {argv = {"sh", "-c", "head -c 5000 /dev/zero"}, max_output = 10})
    assert.same({10, 4990}, {#r.stdout, r.dropped})
  end)

  it("says which signal ended a program", function ()
    local r = assert(process.run {argv = {"sh", "-c", "kill -KILL $$"}})
    assert.same({137, 9}, {r.exit_code, r.signal})
  end)
end)

describe("process.which", function ()
  it("finds programs on PATH and names the package of the others", function ()
    assert.equal("/", process.which("sh"):sub(1, 1))
    local path, _, code = process.which("no-such-program-here")
    assert.same({nil, "not_found"}, {path, code})
  end)
end)

describe("process.spawn_detached", function ()
  it("starts a program that is not our child", function ()
    local output = os.tmpname()
    local pid = assert(process.spawn_detached {argv = {"sh", "-c", "echo $$"}, output = output})
    local text
    repeat
      local f = assert(io.open(output))
      text = f:read("a")
      f:close()
    until text ~= ""
    os.remove(output)
    assert.equal(pid, tonumber(text))
    assert.are_not.equal(process.pid(), pid)
  end)
end)
