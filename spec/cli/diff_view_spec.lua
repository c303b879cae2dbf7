--- cli.output.diff_view: what a person sees of two runs' differences.
local diff_view = require "cli.output.diff_view"
local json = require "sy.json"
local style = require "cli.output.style"

local function line(run, number, status, cost)
  return { run = run, number = number, melody = "review", status = status, interrupted = false, cost = cost }
end

local function cost(usd, tokens, ms)
  return { usd = usd, tokens = tokens, ms = ms }
end

local function document()
  return {
    same = false, from = line("a", 7, "completed", cost(0.01, 1200, 2300)),
    to = line("b", 8, "failed", cost(0.0125, 900, 61000)),
    structure = { added = {}, removed = { { key = "old", operation = "git.diff" } }, edges_added = {},
      edges_removed = { { "old", "report", "soft" } },
      changed = { { key = "notes", from = "llm.complete", to = "outline.summarise", what = { "operation" } } } },
    params = { { path = "base", kind = "changed", from = "HEAD", to = "main" } },
    tasks = { { key = "notes", from = { status = "completed", outcome = "ok", error = json.null },
      to = { status = "failed", outcome = "timeout", error = { code = "timeout", message = "it took 60 s\nin all" } },
      output = { { path = "text", kind = "removed", from = ("long "):rep(40) } }, more = 3 } },
    more_tasks = false, outputs = {}, more_outputs = 0,
    artifacts = { { task = "report", type = "documentation", from = "sha256:" .. ("a"):rep(64), from_size = 2048,
      to = json.null, to_size = json.null } },
    costs = { { key = "notes", from = cost(0.01, 1200, 2000), to = cost(0.0125, 900, 60000) },
      { key = "diff", from = cost(0, 0, 12), to = cost(0, 0, 15) } },
  }
end

local EXPECTED = [[
review  run #7 -> #8
status
  ~ completed -> failed
structure
  - old  git.diff
  ~ notes  llm.complete -> outline.summarise  (operation)
  - old -> report  soft
parameters
  ~ base  "HEAD" -> "main"
tasks
  ~ notes  ok -> timeout
      timeout: it took 60 s
      - text  "long long long long lo...
        3 more   --json has them
artifacts
  - report  documentation  aaaaaaaaaaaa 2.0 KiB
cost and time
  run  0.0100 usd -> 0.0125 usd (+0.0025 usd), 1200 tokens -> 900 tokens (-30...
  notes  0.0100 usd -> 0.0125 usd (+0.0025 usd), 1200 tokens -> 900 tokens (-...
]]

describe("the differences of two runs", function()
  it("stand under headings, with a sign for each, at 80 columns", function()
    local plain = style.new({ stdout = false, utf8 = false, columns = 80 }, "never")
    local text = table.concat(diff_view.lines(document(), plain), "\n") .. "\n"
    assert.equal(EXPECTED, text)
  end)

  it("have colours that change no letter", function()
    local function strip(look)
      return (table.concat(diff_view.lines(document(), look), "\n"):gsub("\27%[%d+m", ""))
    end
    local colour = style.new({ utf8 = true, columns = 80 }, "always")
    local plain = style.new({ utf8 = true, columns = 80 }, "never")
    assert.equal(strip(plain), strip(colour))
    assert.matches("\27[31m", table.concat(diff_view.lines(document(), colour), "\n"), 1, true)
  end)
end)
