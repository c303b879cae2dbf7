local support = require "support"

describe("support.run", function ()
  it("gives exit code and both streams, and passes stdin and folder", function ()
    local r = support.run({"sh", "-c", "cat; echo err >&2; pwd; exit 3"}, {stdin = "hello\n", cwd = "/"})
    assert.same({code = 3, out = "hello\n/\n", err = "err\n", timed_out = false}, r)
  end)

  it("sets and removes names of the environment", function ()
    local r = support.run({"sh", "-c", "echo ${A-none} ${HOME-none}"}, {env = {A = "1", HOME = false}})
    assert.equal("1 none\n", r.out)
  end)

  it("kills what takes too long, with its children", function ()
    local r = support.run({"sh", "-c", "sleep 100 & sleep 100"}, {timeout_s = 0.1})
    assert.is_true(r.timed_out)
    assert.equal(9, r.signal)
  end)

  it("raises when there is no such program", function ()
    assert.has_error(function () support.run {"/nonexistent/program"} end)
  end)
end)

describe("support.start", function ()
  it("shows what a running program wrote so far and takes its input", function ()
    local c = support.start({"sh", "-c", "echo ready; read x; echo got $x"}, {stdin_pipe = true})
    support.wait_until(function () return c:out() == "ready\n" end)
    c:write "it\n"
    assert.equal("ready\ngot it\n", c:wait(10).out)
  end)

  it("gives a terminal of the asked width", function ()
    local c = support.start({"sh", "-c", "stty size; read x; echo got $x"}, {pty = true, columns = 91})
    support.wait_until(function () return c:out():find "24 91" end)
    c:write "it\n"
    local r = c:wait(10)
    assert.equal(0, r.code)
    assert.truthy(r.out:find "got it")
  end)
end)

describe("support.wait_until", function ()
  it("raises when the condition never holds", function ()
    assert.has_error(function () support.wait_until(function () return false end, 0.02) end)
  end)
end)
