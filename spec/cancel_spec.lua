--- `symphony cancel` in another process reaches a run within 250 ms, whatever the run does: from the row that asks to
--- the row that says it has ended. (The machine of the tests may be busy, and sanitizers slow: 1 s there.)
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"
local time = require "sy.time"

local MANIFEST = [[
[extension]
name = "stuck"
version = "0.1.0"
type = "operator"
description = "Does not end."
[operator]
operator_type = "test"
[operation.loop]
doc = "Computes."
effects = "read"
[operation.compare]
doc = "Computes where it cannot be interrupted."
effects = "read"
[operation.sleep]
doc = "Sleeps."
effects = "read"
[operation.child]
doc = "Waits for a program that does not want to end."
effects = "read"
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/**"]
process = ["sh"]
timeout = "2m"
cpu = "60s"
]]

local CODE = [[
local fs, process, time = require "fs", require "process", require "time"
local stuck = {}
local function begun() fs.write("state/begun", "x") end
local function loop() while true do end end
function stuck.loop() begun() while true do pcall(loop) end end
function stuck.compare() begun() table.sort({ 1, 2, 3 }, loop) end
function stuck.sleep() begun() time.sleep(60) end
function stuck.child()
  return process.run { argv = { "sh", "-c", "trap '' TERM; echo x >state/begun; while :; do sleep 1; done" } }
end
return stuck
]]

local LIMIT_MS = 1000

local dir

local function symphony(...) return support.symphony({ ... }, { cwd = dir }) end

--- Both stages are taken: nobody is left but who watches.
local function begin(operation)
  support.write_file(dir .. "/melodies/m.lua", ([[
local m = require "melody" "m"
m:each("all", { 1, 2, 3, 4 }, "stuck.%s", function() return {} end)
return m
]]):format(operation))
  local c = support.start_symphony({ "run", "m", "--json" }, { cwd = dir })
  support.wait_until(function() return paths.stat(dir .. "/state/begun") end, 30)
  return c
end

local function entity(name)
  return json.decode(symphony("data", name, "--json").out).rows
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/stuck/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/stuck/init.lua", CODE)
  support.write_file(dir .. "/state/here", "")
  assert.equal(0, symphony("trust").code)
end)

describe("cancel from another process", function()
  for _, operation in ipairs { "loop", "compare", "sleep", "child" } do
    it("ends a run that is in " .. operation, function()
      local c = begin(operation)
      assert.equal(0, symphony("cancel").code)
      local doc = json.decode(assert(c:wait(20)).out)
      assert.equal("cancelled", doc.status)
      for _, task in ipairs(doc.tasks) do assert.equal("cancelled", task.outcome) end
      local asked = entity "control"[1]
      local ms = time.parse_iso(doc.completed_at) - time.parse_iso(asked.created_at)
      assert.is_true(ms < LIMIT_MS, ms .. " ms")
    end)
  end
end)
