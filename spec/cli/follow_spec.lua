--- What is said while a run goes on, and why a task has no value.
local paths = require "kit.paths"
local support = require "support"

local NAPS = [[
local m = require "melody" "naps"
local items = m:param("items", { type = "array", default = { 1, 2, 3, 4, 5, 6 } })
m:each("naps", items, "process.run", function()
  return { argv = { "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done" } }
end, { max_parallel = 2 })
return m
]]

local CRASH = [[
local m = require "melody" "crash"
local a = m:task("sent", "process.run", { argv = { "sh", "-c", "[ -e tried ] || { touch tried; sleep 60; }" } })
m:task("after", "file.read", { path = "tried" }, { after = { a } })
return m
]]

local GIT = "git init -q . && git add . && git -c user.name=a -c user.email=a@example.org commit -qm one"
local UTF8 = { LANG = "C.UTF-8", LC_ALL = false, NO_COLOR = "1", TERM = "xterm" }

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir, env = UTF8 })
end

--- Kills the program while the first task is being done.
local function crash()
  local c = support.start_symphony({ "run", "crash" }, { cwd = dir })
  support.wait_until(function() return paths.stat(dir .. "/tried") end, 30)
  c:kill "KILL"
  assert.equal(9, assert(c:wait(10)).signal)
end

before_each(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/naps.lua", NAPS)
  support.write_file(dir .. "/melodies/crash.lua", CRASH)
  assert.equal(0, symphony("trust").code)
end)

--- What a terminal of many rows shows of what was written: erased lines are gone.
local function screen(written)
  local lines, at = { "" }, 1
  local i = 1
  while i <= #written do
    local up = written:match("^\27%[(%d+)A", i)
    if up then
      at = math.max(1, at - tonumber(up))
      i = i + #up + 3
    elseif written:find("^\27%[J", i) then
      for n = #lines, at + 1, -1 do lines[n] = nil end
      lines[at] = ""
      i = i + 3
    else
      local letter = written:sub(i, i)
      if letter == "\n" then
        at = at + 1
        lines[at] = lines[at] or ""
      elseif letter ~= "\r" then
        lines[at] = lines[at] .. letter
      end
      i = i + 1
    end
  end
  return table.concat(lines, "\n")
end

local function count(text, what)
  return select(2, text:gsub(what, ""))
end

describe("a run on a terminal", function()
  it("counts the items of a list, also those that have not begun, and draws each task once after Ctrl-C", function()
    local c = support.start_symphony({ "run", "naps" }, { cwd = dir, pty = true, env = UTF8 })
    support.wait_until(function() return c:out():find("naps  0 of 6", 1, true) end, 20)
    c:write "\3"
    support.wait_until(function() return c:out():find("stopping", 1, true) end, 20)
    support.write_file(dir .. "/go", "")
    local r = assert(c:wait(30))
    assert.equal(130, r.code, r.out)
    local seen = screen(r.out)
    assert.equal(1, count(seen, "naps  run #1"), seen)
    assert.equal(1, count(seen, "\n  %S+ naps"), seen)
    assert.equal(1, count(seen, "stopping after"), seen)
    assert.matches("resume 1", seen)
  end)
end)

describe("a task that a person skipped", function()
  it("says so, and not that its condition does not hold", function()
    crash()
    assert.equal(5, symphony("resume").code)
    local r = symphony("resume", "1", "--skip", "sent")
    assert.equal(0, r.code, r.err)
    assert.matches("sent   skipped: by resume %-%-skip", r.out)
    assert.matches("after  skipped: `sent` was skipped", r.out)
    assert.matches("sent   skipped: by resume %-%-skip", symphony("show").out)
  end)

  it("or whose result they gave", function()
    crash()
    assert.equal(5, symphony("resume").code)
    local r = symphony("resume", "1", "--result", [[sent={"exit_code":0,"stdout":"","stderr":""}]])
    assert.equal(0, r.code, r.err)
    assert.matches("sent   given with resume %-%-result", r.out)
  end)
end)

describe("logs", function()
  it("say in words what the engine tells, and a failure once", function()
    support.write_file(dir .. "/go", "")
    support.write_file(dir .. "/melodies/two.lua", [[
local m = require "melody" "two"
m:each("reads", { "go", "gone" }, "file.read", function(path) return { path = path } end, { on_error = "skip" })
return m
]])
    assert.equal(0, symphony("run", "two").code)
    local said = symphony("logs").out
    assert.matches("reads  task_started +2 items\n", said)
    assert.matches("reads/1  task.completed +0 bytes  %d+ ms\n", said)
    assert.matches("reads  task.completed +1 of 2  %d+ ms\n", said)
    assert.equal(1, count(said, "not_found: there is no `gone`"), said)
    assert.is_nil(said:find("{", 1, true))
  end)
end)

describe("the title", function()
  it("says what is reviewed", function()
    support.sh(GIT, { cwd = dir })
    support.write_file(dir .. "/note.txt", "a line\n")
    assert.matches("^review  HEAD → working tree · 1 file · run #1\n", symphony("run", "review").out)
    support.sh("rm note.txt", { cwd = dir })
    assert.matches("^review  whole tree · 2 files · run #2\n", symphony("run", "review").out)
  end)
end)

describe("a repository inside another project", function()
  it("is named, with what to type to mean it", function()
    local inner = dir .. "/inner"
    support.write_file(inner .. "/a.txt", "a\n")
    support.sh(GIT, { cwd = inner })
    support.sh("mkdir -p .symphony", { cwd = dir })
    local r = support.symphony({ "run", "hello" }, { cwd = inner, env = UTF8 })
    assert.matches("the project is " .. dir:gsub("%p", "%%%0"), r.err)
    assert.matches("%-%-project " .. inner:gsub("%p", "%%%0"), r.err)
    assert.equal("", support.symphony({ "run", "hello", "--project", inner }, { cwd = inner, env = UTF8 }).err)
  end)
end)
