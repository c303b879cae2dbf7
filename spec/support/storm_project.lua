--- The project that storms rage in: a melody with every verb, and an extension that takes its time.
local paths = require "kit.paths"
local support = require "support"

local MELODY = [[
local melody = require "melody"
local m = melody "storm"
local tag = m:param("tag", { type = "string" })
local found = m:task("found", "file.glob", { pattern = "in/*.txt" })
local texts = m:each("texts", found.files, "file.read", function(file, index)
  if index == 5 then return { path = "in/gone.txt" } end
  return { path = file.path }
end, { max_parallel = 3, on_error = "skip" })
local copies = m:each("copies", texts, "file.write", function(text, index)
  return { path = "out/" .. index .. ".txt", content = type(text) == "table" and text.content or "none" }
end)
local steps = m:each("steps", { "a", "b", "c", "d" }, "slow.step", function(name) return { name = name } end,
  { max_parallel = 2 })
local large = m:task("large", "file.read", { path = "in/large" })
local never = m:task("never", "file.read", { path = "in/1.txt" }, { when = "#found.files > 1000" })
local fails = m:task("fails", "file.read", { path = "in/gone.txt" },
  { retry = { max = 2, backoff = "fixed", delay = "20ms" }, on_error = "skip" })
local other = m:task("other", "file.read", { path = "in/gone.txt" },
  { retry = { max = 1, delay = "10ms" }, fallback = { { "file.read", { path = "in/2.txt" } } } })
local effect = m:task("effect", "process.run",
  { argv = { "sh", "-c", "echo done >>\"effects.$0\"; cat in/3.txt", tag } }, { after = { copies } })
local again = m:loop("again", "slow.step", { name = "l1" }, function(last, i) return { name = "l" .. i } end,
  { until_ = function(it, i) return i >= 3 end, max = 5 })
local asked = m:ask("asked", "how many?", { type = "integer" }, { timeout = "30ms", default = 7 })
local inner = m:sub("inner", "inner", { tag = tag }, { on_error = "skip" })
local walk = m:sub("walk", "walk", { tag = tag })
local report = m:task("report", "report.write", { title = "Storm", checks = melody.soft(fails, {}),
  notes = m.text "{other.content} {large.content} {effect.stdout}", diff = melody.soft(never.content, "never") })
m:output("texts", texts)
m:output("copies", copies)
m:output("steps", steps)
m:output("large", large)
m:output("fails", melody.soft(fails, "failed"))
m:output("never", melody.soft(never, "never"))
m:output("other", other.content)
m:output("effect", effect.stdout)
m:output("again", again.name)
m:output("asked", asked)
m:output("inner", melody.soft(inner, "undone"))
m:output("walk", walk.flow)
m:output("report", report)
return m
]]

--- The same in code style: what it was told by chance, by the clock and by a person is the same for each replay.
local WALK = [[
local melody = require "melody"
local walk = melody.flow("walk", function(run, params)
  local chance, began = run:random(1, 1000000000), run:now()
  local line = chance .. " " .. began
  local noted = run:call("process.run", { argv = { "sh", "-c", "echo $1 >>\"walk.$0\"; echo $1", params.tag, line } })
  run:sleep(0.02)
  local texts = run:map("file.read", { 1, 2, 3 }, function(n) return { path = "in/" .. n .. ".txt" } end)
  local said = run:ask("which?", { type = "integer" }, { key = "which" })
  local talk = run:call("slow.talk", { lines = 40 }, { key = "talk" })
  local ok = pcall(run.call, run, "file.read", { path = "in/" .. said .. ".gone" })
  return { noted = noted.stdout == line .. "\n", texts = #texts, said = said, talk = talk.said,
    later = run:now() >= began, ok = ok }
end)
walk:param("tag", { type = "string" })
return walk
]]

--- Does something, fails, and undoes it.
local INNER = [[
local m = require "melody" "inner"
local tag = m:param("tag", { type = "string" })
local function note(word)
  return { "process.run", { argv = { "sh", "-c", "echo " .. word .. " >>\"inner.$0\"", tag } } }
end
local a = m:task("a", note("done")[1], note("done")[2], { compensate = note "undone" })
m:task("b", "file.read", { path = "in/gone.txt" }, { after = { a }, on_error = "compensate" })
m:output("a", a.exit_code)
return m
]]

local MANIFEST = [[
[extension]
name = "slow"
version = "0.1.0"
type = "operator"
description = "Writes a file, and takes its time; again does no harm."
[operator]
operator_type = "test"
[operation.step]
doc = "Writes a file."
effects = "write"
idempotent = true
[operation.talk]
doc = "Streams lines."
effects = "none"
idempotent = true
[capabilities]
fs.write = ["$PROJECT/**"]
]]

local CODE = [[
local fs, time = require "fs", require "time"
return { step = function(input, ctx)
  time.sleep(0.01)
  assert(fs.write("step." .. input.name, input.name))
  time.sleep(0.01)
  return { name = input.name, ref = ctx.artifact("test", ctx.idempotency_key:rep(2000), { name = input.name }).size }
end, talk = function(input, ctx)
  for i = 1, input.lines do
    ctx.stream(("line %d\n"):format(i))
    time.sleep(0.001)
  end
  return { said = input.lines }
end }
]]

local LARGE = 90000

local M = { FILES = 12 }

---@return string dir
function M.make()
  local dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/storm.lua", MELODY)
  support.write_file(dir .. "/melodies/inner.lua", INNER)
  support.write_file(dir .. "/melodies/walk.lua", WALK)
  support.write_file(dir .. "/extensions/slow/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/slow/init.lua", CODE)
  for i = 1, M.FILES do support.write_file(("%s/in/%d.txt"):format(dir, i), "text " .. i) end
  support.write_file(dir .. "/in/large", ("0123456789"):rep(LARGE // 10))
  return dir
end

return M
