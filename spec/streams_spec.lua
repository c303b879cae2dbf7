--- What tasks stream: read while they run and afterwards, from any offset, by several, after kill -9, within bounds.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "say"
version = "0.1.0"
type = "operator"
description = "Streams."
[operator]
operator_type = "test"
[operation.letters]
doc = "Streams numbered lines; waits for a file in the middle."
effects = "read"
[operation.much]
doc = "Streams many bytes."
effects = "none"
[operation.split]
doc = "Streams a text byte by byte; waits for a file after the third."
effects = "read"
[operation.again]
doc = "Fails once, then succeeds."
effects = "write"
idempotent = true
[capabilities]
fs.read = ["$PROJECT/**"]
fs.write = ["$PROJECT/**"]
process = ["sh"]
timeout = "5m"
cpu = "60s"
]]

local CODE = [[
local fs, log, time, process = require "fs", require "log", require "time", require "process"
local say = {}
function say.letters(input, ctx)
  for i = 1, 2 * input.half do
    ctx.stream(("line %d\n"):format(i))
    ctx.progress(i, 2 * input.half, "lines")
    ctx.log("info", "at " .. i)
    if i == input.half then
      while not fs.exists "go" do time.sleep(0.01) end
    end
  end
  return { done = true }
end
function say.much(input, ctx)
  local block = ("x"):rep(input.block)
  for _ = 1, input.blocks do ctx.stream(block) end
  if input.script then process.run { argv = { "sh", "-c", input.script }, stream = true, check = true } end
  return {}
end
function say.split(input, ctx)
  for i = 1, #input.text do
    ctx.stream(input.text:sub(i, i))
    if i == 3 then -- in the middle of a character
      while not fs.exists "go" do time.sleep(0.01) end
    end
  end
  return {}
end
function say.again(input, ctx)
  ctx.stream("try\n")
  if not fs.exists "tried" then
    fs.write("tried", "")
    return ctx.retry "once more"
  end
  return {}
end
return say
]]

local MELODY = [[
local m = require "melody" "%s"
m:task("%s", "say.%s", %s, { timeout = "5m", retry = { max = 1, delay = "1ms" } })
return m
]]

local dir

local function symphony(...) return support.symphony({ ... }, { cwd = dir, timeout_s = 300 }) end

--- A melody of one task `t`.
local function melody(name, operation, input)
  support.write_file(("%s/melodies/%s.lua"):format(dir, name), MELODY:format(name, "t", operation, input))
end

--- All pieces that `logs --stream` gives.
local function pieces(run, kind, since, ...)
  local r = symphony("logs", run, "t", "--stream", kind, "--since", tostring(since or 0), "--json", ...)
  assert.equal(0, r.code, r.err)
  local list = {}
  for line in r.out:gmatch "[^\n]+" do list[#list + 1] = json.decode(line) end
  return list
end

local function text_of(list)
  local all = {}
  for i, piece in ipairs(list) do all[i] = piece.text end
  return table.concat(all)
end

local function lines(from, to)
  local all = {}
  for i = from, to do all[#all + 1] = ("line %d\n"):format(i) end
  return table.concat(all)
end

local function raw(run, since, ...)
  return symphony("logs", run, "t", "--stream", "tokens", "--since", tostring(since), ...).out
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/say/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/say/init.lua", CODE)
  assert.equal(0, symphony("trust").code)
end)

describe("a task's stream", function()
  it("is refused with what to type when it is not clear which", function()
    melody("letters", "letters", "{ half = 1 }")
    support.write_file(dir .. "/go", "")
    assert.equal(0, symphony("run", "letters").code)
    assert.equal(2, symphony("logs", "1", "t", "--stream", "noise").code)
    assert.equal(2, symphony("logs", "1", "t", "--stream", "tokens", "--since", "-1").code)
    assert.equal(2, symphony("logs", "1", "t", "--since", "0").code)
    local r = symphony("logs", "1", "nothing", "--stream", "tokens")
    assert.equal(4, r.code)
    assert.matches("no task `nothing`", r.err, 1, true)
  end)

  it("is read from any offset while it runs and afterwards, by several at once", function()
    melody("letters", "letters", "{ half = 50 }")
    local c = support.start_symphony({ "run", "letters" }, { cwd = dir })
    local function begun() return #raw("1", 0) == #lines(1, 50) end
    support.wait_until(begun, 30)
    local one = support.start_symphony({ "logs", "1", "t", "--stream", "tokens", "--follow" }, { cwd = dir })
    local two = support.start_symphony({ "logs", "1", "t", "--stream", "tokens", "--since", "14", "--follow" }, { cwd = dir })
    support.wait_until(function() return #one:out() == #lines(1, 50) and #two:out() == #lines(1, 50) - 14 end, 30)
    support.write_file(dir .. "/go", "")
    assert.equal(0, assert(c:wait(30)).code)
    assert.equal(lines(1, 100), assert(one:wait(30)).out)
    assert.equal(lines(3, 100), assert(two:wait(30)).out)
    for _, at in ipairs { 0, 7, 100, #lines(1, 100) } do assert.equal(lines(1, 100):sub(at + 1), raw("1", at)) end
  end)

  it("of progress and of its log are lines, each with an offset to go on from", function()
    melody("letters", "letters", "{ half = 100 }")
    support.write_file(dir .. "/go", "")
    assert.equal(0, symphony("run", "letters").code)
    for kind, want in pairs { progress = '"done":%d,', log = '"text":"at %d"' } do
      local seen, offset = 0, 0
      for _, piece in ipairs(pieces("1", kind)) do
        assert.is_true(piece.offset >= offset and piece.next > piece.offset)
        offset = piece.next
        for line in piece.text:gmatch "[^\n]+" do
          seen = seen + 1
          assert.matches(want:format(seen), line, 1, true)
        end
      end
      assert.equal(200, seen)
      assert.same({}, pieces("1", kind, offset))
    end
    assert.matches("200/200  lines\n$", symphony("logs", "1", "t", "--stream", "progress").out)
    assert.matches("info   at 200\n$", symphony("logs", "1", "t", "--stream", "log").out)
  end)

  it("goes on after kill -9 and resume, from the offset a reader had come to, without loss or repeat", function()
    melody("letters", "letters", "{ half = 50 }")
    local c = support.start_symphony({ "run", "letters" }, { cwd = dir })
    support.wait_until(function() return symphony("show", "1").code == 0 end, 30)
    local r = support.start_symphony({ "logs", "1", "t", "--stream", "tokens", "--follow", "--json" }, { cwd = dir })
    support.wait_until(function() return r:out():find("line 50\\n", 1, true) end, 30)
    c:kill("KILL", true)
    assert(c:wait(10))
    r:kill "INT"
    local had = {}
    for line in assert(r:wait(20)).out:gmatch "[^\n]+" do had[#had + 1] = json.decode(line) end
    assert.equal(lines(1, 50), text_of(had))
    support.write_file(dir .. "/go", "")
    assert.equal(0, symphony("resume", "1").code)
    local rest = pieces("1", "tokens", had[#had].next)
    assert.equal(lines(1, 100), text_of(rest))
    assert.equal(had[#had].next, rest[1].offset)
    assert.is_true(rest[1].epoch > had[1].epoch)
    assert.equal(lines(1, 50) .. lines(1, 100), text_of(pieces("1", "tokens")))
  end)

  it("names the attempt of each piece", function()
    melody("again", "again", "{}")
    assert.equal(0, symphony("run", "again").code)
    local list = pieces("1", "tokens")
    assert.same({ 1, 2 }, { list[1].attempt, list[2].attempt })
    assert.same({ "try\n", "try\n" }, { list[1].text, list[2].text })
  end)

  it("never cuts a character in two, and ends with what is none", function()
    melody("split", "split", "{ text = 'zoë – 日本語 🎼\\xf0\\x9f' }")
    local c = support.start_symphony({ "run", "split" }, { cwd = dir })
    support.wait_until(function() return raw("1", 0) == "zo" end, 20)
    local r = support.start_symphony({ "logs", "1", "t", "--stream", "tokens", "--follow", "--json" }, { cwd = dir })
    support.wait_until(function() return r:out():find('"zo"', 1, true) end, 20)
    support.write_file(dir .. "/go", "")
    assert.equal(0, assert(c:wait(30)).code)
    local all = {}
    for line in assert(r:wait(30)).out:gmatch "[^\n]+" do all[#all + 1] = json.decode(line) end
    assert.equal("zoë – 日本語 🎼��", text_of(all))
    assert.is_true(#all > 1)
    assert.equal("zoë – 日本語 🎼\xf0\x9f", raw("1", 0))
  end)
end)

describe("a task that streams without end", function()
  it("waits for the disk and not in memory, with nobody or anybody reading", function()
    melody("much", "much", "{ block = 65536, blocks = 3200, script = 'head -c 20000000 /dev/zero' }")
    local options = (os.getenv "ASAN_OPTIONS" or "") .. ":quarantine_size_mb=8" -- freed memory counts as free
    local c = support.start_symphony({ "run", "much", "--json" }, { cwd = dir, env = { ASAN_OPTIONS = options } })
    local slow = support.start_symphony({ "logs", "1", "t", "--stream", "tokens", "--follow" },
      { cwd = dir })
    slow:kill "STOP"
    local peak = 0
    support.wait_until(function()
      local status = support.read_file(("/proc/%d/status"):format(c:pid())) or ""
      peak = math.max(peak, tonumber(status:match "VmHWM:%s+(%d+)") or 0)
      return c:wait(0.01)
    end, 280)
    slow:kill "CONT"
    slow:kill "KILL"
    assert.equal(0, c:wait(1).code, c:err())
    assert.is_true(peak > 0 and peak < 200 * 1024, ("%d KiB"):format(peak))
    local tail = pieces("1", "tokens", 3200 * 65536 + 20000000 - 10)
    assert.equal(10, #text_of(tail))
  end)
end)
