--- ext test: the tests beside an extension, under busted in its isolate.
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local report = require "cli.testing.report"
local suite = require "kit.author.suite"
local target = require "kit.author.target"
local text = require "cli.output.text"

local USAGE = "ext test [NAME|FOLDER]... [--record] [--tap] [--junit FILE]"

--- The lines that show where something went wrong.
local function shown(extension, why)
  local lines = {}
  for line in (why.message .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  while lines[#lines] == "" do lines[#lines] = nil end
  if not why.where.file then return lines end
  local place = ("%s/%s:%d"):format(extension, why.where.file:gsub("^@", ""), why.where.line)
  table.insert(lines, 2, ("  %s   %s"):format(place, why.source_line or ""))
  if why.source_line then
    local caret = (" "):rep(#place + 5 + text.width(why.source_line:sub(1, why.col - 1))) .. ("^"):rep(why.length)
    table.insert(lines, 3, caret)
  end
  return lines
end

local function document(results)
  local counts, cases = { passed = 0, failed = 0, pending = 0 }, json.array {}
  for i, one in ipairs(results) do
    local how = one.pending and "pending" or one.ok and "passed" or "failed"
    counts[how] = counts[how] + 1
    local problems = json.array {}
    for k, why in ipairs(one.found) do
      problems[k] = { message = why.message, file = why.where.file or json.null, line = why.where.line or json.null,
                      source = why.source_line or json.null }
    end
    cases[i] = { extension = one.test, file = one.file, line = one.line or json.null, case = one.case, status = how,
                 ms = one.ms, problems = problems }
  end
  counts.cases = cases
  return counts
end

--- Shows results. Gives the exit code.
---@param ctx Context
---@param results table[] of kit.author.suite
---@param options { tap: boolean?, junit: string? }
---@return integer?, Problem?
local function tell(ctx, results, options)
  for _, one in ipairs(results) do
    if not options.junit and not options.tap then
      one.problems = {}
      for _, why in ipairs(one.found) do
        table.move(shown(one.test, why), 1, 1000, #one.problems + 1, one.problems)
      end
    end
  end
  if options.junit then
    local ok, message = paths.write(options.junit, report.junit(results))
    if not ok then return problem.fail("io_error", ("%s cannot be written: %s"):format(options.junit, message)) end
  end
  if ctx.json then
    ctx:document(document(results))
  else
    local lines = options.tap and report.tap(results) or report.lines(results, ctx.style)
    for _, line in ipairs(lines) do ctx:print(line) end
  end
  for _, one in ipairs(results) do
    if not one.ok then return exit.FAILED end
  end
  return exit.DONE
end

local function run(ctx, words)
  local all = {}
  for _, word in ipairs(#words > 0 and words or { "." }) do
    local entry, why = target.find(ctx:place(), word)
    if not entry then return nil, why end
    local results, bad = suite.run(entry, { record = words.options.record })
    if not results then return nil, bad end
    table.move(results, 1, #results, #all + 1, all)
  end
  return tell(ctx, all, words.options)
end

return {
  name = "test",
  summary = "run the tests of an extension in its isolate: busted, files, HTTP, programs and a clock of their own",
  usage = USAGE,
  options = {
    { name = "record", doc = "send HTTP requests that the tests do not answer, and keep the answers beside the spec" },
    { name = "tap", doc = "print TAP" },
    { name = "junit", argument = "FILE", doc = "write JUnit's XML there" },
  },
  example = "symphony ext test extensions/mine",
  run = run,
  tell = tell,
}
