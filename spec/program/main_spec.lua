-- The program around Lua (core/cli/main.c, core/bind/program.c, trusted.c, term.c), with a Lua program of its own.
local support = require "support"

local PROGRAM = [[
local term = require "sy.term"
local M = {}
local commands = {}
function commands.fail() local nothing = nil; return nothing.field end
function commands.args(...) term.write(1, table.concat({...}, ","), "\n") return 7 end
function commands.nothing() end
function commands.tty() term.write(1, tostring(term.isatty(1)), " ", tostring(term.size(1)), "\n") return 0 end
function commands.line() term.write(1, tostring(term.read_line()), "|", tostring(term.read_line()), "\n") return 0 end
function commands.find(name) return pcall(require, name) and 0 or 1 end
function commands.wait()
  term.take_signal()
  term.write(1, "ready\n")
  while true do
    local signal = term.take_signal()
    if signal then term.write(1, signal, "\n") return 130 end
  end
end
function commands.deaf()
  term.take_signal()
  term.write(1, "ready\n")
  while true do end
end
function commands.flood()
  while not term.take_signal() do term.write(1, ("x"):rep(1000)) end
  return 130
end
function M.main(args) return commands[args[1] ](table.unpack(args, 2)) end
return M
]]

local root

local function run(argv, options)
  options = options or {}
  options.env = options.env or {SYMPHONY_ROOT = root}
  return support.symphony(argv, options)
end

local function start(argv)
  local c = support.start_symphony(argv, {env = {SYMPHONY_ROOT = root}})
  support.wait_until(function () return c:out() == "ready\n" end)
  return c
end

describe("the program", function ()
  setup(function ()
    root = support.tmpdir()
    support.write_file(root .. "/lua/cli/main.lua", PROGRAM)
    support.write_file(root .. "/lua/broken.lua", "return = 1")
    support.write_file(root .. "/stdlib/pure.lua", "return {}")
    support.write_file(root .. "/outside.lua", "return {}")
  end)

  it("prints its version without needing Lua code", function ()
    local r = run({"version"}, {env = {SYMPHONY_ROOT = "/nonexistent"}})
    assert.truthy(r.out:find "^symphony %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n$")
    assert.equal(0, r.code)
    local json = run({"--json", "version"}, {env = {SYMPHONY_ROOT = "/nonexistent"}}).out
    assert.truthy(json:find '^{"version":"%d+%.%d+%.%d+","lua":"5%.4%.%d+"}\n$')
  end)

  it("hands the arguments over and returns main's exit code", function ()
    local r = run {"args", "a", "", "c d"}
    assert.same({7, "a,,c d\n", ""}, {r.code, r.out, r.err})
  end)

  it("says how to report an error that escapes, and shows a traceback only when asked", function ()
    local r = run {"fail"}
    assert.same({1, ""}, {r.code, r.out})
    assert.truthy(r.err:find "^error%[internal%]: lua/cli/main%.lua:%d+: .*report")
    assert.falsy(r.err:find "traceback")
    r = run({"fail", "--json"}, {env = {SYMPHONY_ROOT = root, SYMPHONY_DEBUG = "1"}})
    assert.truthy(r.err:find "traceback")
    assert.truthy(r.out:find '^{"error":{"code":"internal",')
  end)

  it("takes a missing exit code for a fault of ours", function ()
    assert.truthy(run({"nothing"}).err:find "error%[internal%]")
  end)

  it("requires from lua and stdlib of the tree only", function ()
    assert.equal(0, run({"find", "pure"}).code)
    assert.equal(0, run({"find", "cli.main"}).code)
    for _, name in ipairs {"outside", "broken", "..outside", "../outside", "lfs", "argparse", ("x"):rep(300)} do
      assert.equal(1, run({"find", name}).code)
    end
  end)

  it("knows a terminal and its width", function ()
    assert.equal("true 77\r\n", run({"tty"}, {pty = true, columns = 77}).out)
    assert.equal("false nil\n", run({"tty"}).out)
  end)

  it("reads lines one by one, the last without its end", function ()
    assert.equal("one|two\n", run({"line"}, {stdin = "one\ntwo"}).out)
    assert.equal("nil|nil\n", run({"line"}, {stdin = ""}).out)
  end)

  it("gives the first signal to Lua", function ()
    for _, signal in ipairs {"INT", "TERM"} do
      local c = start {"wait"}
      c:kill(signal)
      local r = c:wait(10)
      assert.same({130, "ready\n" .. signal .. "\n"}, {r.code, r.out})
    end
  end)

  it("ends at once at the second signal", function ()
    local c = start {"deaf"}
    c:kill "INT"
    support.wait_until(function ()
      c:kill "INT"
      return c:wait(0.01)
    end)
    assert.equal(130, c:wait(0).code)
  end)

  it("ends quietly when its reader goes away", function ()
    local line = ('"$BIN" flood | head -c 5; echo "${PIPESTATUS[0]}"'):gsub("%$BIN", support.bin)
    local r = support.run({"bash", "-c", line}, {env = {SYMPHONY_ROOT = root}})
    assert.same({"xxxxx141\n", ""}, {r.out, r.err})
  end)
end)
