--- The program interrupts loops with the watchdog's signal: its own threads that run Lua have a timer, and so has the
--- process of an isolate. Neither counts instructions, both end the loop.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "spin"
version = "0.1.0"
type = "operator"
description = "Computes."
[operator]
operator_type = "test"
[operation.go]
doc = "Computes until it is stopped."
effects = "read"
[capabilities]
cpu = "2s"
]]

local MELODY = [[
local m = require "melody" "%s"
m:task("t", "spin.go", {}, { isolation = "%s" })
return m]]

local dir

setup(function()
  dir = paths.real(support.tmpdir()) .. "/project"
  support.write_file(dir .. "/extensions/spin/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/spin/init.lua", "return { go = function()\n  while true do end\nend }")
  for _, isolation in ipairs { "thread", "process" } do
    support.write_file(("%s/melodies/%s.lua"):format(dir, isolation), MELODY:format(isolation, isolation))
  end
  assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
end)

--- The signals of a process's timers that go to one of its threads.
local function timers(pid)
  local text = support.read_file(("/proc/%s/timers"):format(pid)) or ""
  local signals = {}
  for signal in text:gmatch "signal: (%d+)/%x+\nnotify: signal/tid%.%d+" do signals[#signals + 1] = tonumber(signal) end
  return signals
end

local function cell_of(pid)
  for line in support.sh("ps -eo pid=,ppid=,args="):gmatch "[^\n]+" do
    local one, parent, args = line:match "^%s*(%d+)%s+(%d+)%s+(.*)$"
    if args and args:find("--isolate-cell", 1, true) and tonumber(parent) == pid then return one end
  end
end

local function ends_by_its_limit(run)
  local r = support.wait_until(function() return run:wait(0.1) end, 60)
  local result = json.decode(r.out)
  assert.equal("failed", result.status, r.out)
  assert.equal("timeout", result.error.code)
  assert.truthy(result.error.message:find("2000 ms", 1, true), result.error.message)
end

describe("a loop without an end", function()
  it("is interrupted in the host by a timer of its thread", function()
    local run = support.start_symphony({ "run", "thread", "--json" }, { cwd = dir })
    local signals = support.wait_until(function()
      local found = timers(run:pid())
      return #found > 0 and found
    end, 30)
    for _, signal in ipairs(signals) do assert.is_true(signal > 32) end
    ends_by_its_limit(run)
  end)

  it("is interrupted in a process of its own in the same way", function()
    local run = support.start_symphony({ "run", "process", "--json" }, { cwd = dir })
    local cell = support.wait_until(function() return cell_of(run:pid()) end, 30)
    assert.is_truthy(cell)
    -- Only root may look at a process that has confined itself; others see how it ends.
    support.wait_until(function() return #timers(cell) == 1 or not support.exists("/proc/" .. cell) end, 30)
    ends_by_its_limit(run)
  end)
end)
