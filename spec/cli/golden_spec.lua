--- What a person sees, at 80 columns on a terminal and piped, in UTF-8 and ASCII. Times, hashes and folders vary and
--- are replaced. SYMPHONY_UPDATE writes the goldens anew: look at them before committing.
local paths = require "kit.paths"
local support = require "support"

local BEFORE = "int add(int a, int b)\n{\n  return a + b;\n}\n"
local AFTER = "int add(int a, int b)\n{\n  /* TODO: overflow */\n  return a + b;\n}\n"

local MELODY = [[
local melody = require "melody"
local m = melody "tour"
m:param("name", { type = "string", default = "you" })
local found = m:task("found", "file.glob", { pattern = "*.c" })
m:each("looked", found.files, "file.read", function(file, i) return { path = i == 1 and "missing" or file.path } end,
       { on_error = "skip" })
m:task("never", "file.list", { path = "." }, { when = "#found.files > 10" })
m:task("broken", "file.read", { path = "nothing" }, { on_error = "skip" })
m:task("after", "file.list", { path = "." }, { after = { "broken" } })
m:output("greeting", m:text "Hello, {params.name}")
m:output("findings", m:text "none")
return m
]]

local dir

local function scene()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/add.c", BEFORE)
  support.write_file(dir .. "/b.c", BEFORE)
  support.write_file(dir .. "/melodies/tour.lua", MELODY)
  support.write_file(dir .. "/melodies/typo.lua", (MELODY:gsub("found%.files, ", "found.fiels, ")))
  support.sh("git init -q . && git add . && git -c user.name=a -c user.email=a@example.org commit -qm one",
    { cwd = dir })
  support.write_file(dir .. "/add.c", AFTER)
  assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
end

--- What differs from machine to machine, made the same. Padding before a time is kept as wide.
local function same(text)
  text = text:gsub("\r", ""):gsub("^.*\27%[J", "")
  text = text:gsub(dir:gsub("%p", "%%%0"), "DIR"):gsub("( *)(%d+%.?%d* m?s)\n", function(space, time)
    return (" "):rep(#space + #time - 4) .. "9 ms\n"
  end)
  text = text:gsub("%d+ ms, ", "9 ms, ")
  text = text:gsub("%d%d%d%d%-%d%d%-%d%dT[%d:%.]+Z", "TIME"):gsub("sha256:%x+", "sha256:HASH")
  return (text:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"))
end

local function golden(name, words, options)
  options = options or {}
  options.cwd = dir
  options.env = options.env or { LANG = "C.UTF-8", LC_ALL = false, NO_COLOR = "1", TERM = "xterm" }
  local r = support.run({ support.bin, table.unpack(words) }, options)
  local text = same(r.out) .. (r.err ~= "" and "--- stderr\n" .. same(r.err) or "") .. ("--- exit %d\n"):format(r.code)
  local path = ("%s/spec/fixtures/golden/%s.txt"):format(support.root, name)
  if os.getenv "SYMPHONY_UPDATE" then support.write_file(path, text) end
  assert.equal(support.read_file(path), text)
  for line in text:gmatch "[^\n]+" do
    assert.is_true((utf8.len(line) or #line) <= (options.wide or 80), name .. ": " .. line)
  end
end

describe("what a person sees", function()
  before_each(scene)

  it("of a run, piped", function() golden("run-piped", { "run", "tour" }) end)
  it("of a run, on a terminal", function() golden("run-terminal", { "run", "tour" }, { pty = true, columns = 80 }) end)
  it("of a run, in ASCII", function()
    golden("run-ascii", { "run", "tour" }, { env = { LANG = "C", LC_ALL = false, NO_COLOR = "1" } })
  end)
  it("of a misspelt field", function() golden("unknown-field", { "run", "typo" }) end)
  it("of a run shown later", function()
    support.symphony({ "run", "tour" }, { cwd = dir })
    golden("show", { "show" })
  end)
  it("of help", function()
    golden("help", { "help" })
    golden("help-artifact", { "artifact", "--help" })
    golden("help-run", { "help", "run" })
    golden("help-code", { "help", "effect_uncertain" })
  end)
end)
