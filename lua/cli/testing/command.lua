--- melody test: melodies against stubs and recordings, offline.
local cases = require "cli.testing.cases"
local exit = require "cli.exit"
local expect = require "cli.testing.expect"
local fs = require "sy.fs"
local json = require "sy.json"
local known = require "cli.testing.known"
local paths = require "kit.paths"
local play = require "cli.testing.play"
local problem = require "kit.problem"
local report = require "cli.testing.report"
local runner = require "kit.runner"
local time = require "sy.time"

--- What to do about a case: where a recording is missing, the error of a task says it.
local function hint_of(run)
  local errors = { run.error }
  for _, task in pairs(run.tasks) do errors[#errors + 1] = task.error end
  for _, one in pairs(errors) do
    local hint = type(one) == "table" and one.hint
    if type(hint) == "string" and hint:find("--record", 1, true) then return hint end
  end
end

--- One case, from its run to what is wrong.
local function one_case(session, test, loaded, prepared, case, recorded)
  local began = time.monotonic()
  local run, why, calls = play.run(session, prepared, case, recorded)
  local problems = run and expect.problems(case.expect, run) or { why.message }
  if run and case.checks then problems[#problems + 1] = cases.check(test, case.name, run) end
  return {
    test = test.name, file = test.file, melody = loaded.melody, case = case.name, line = case.line,
    ok = #problems == 0, ms = time.monotonic() - began, problems = problems,
    hint = run and #problems > 0 and hint_of(run) or nil,
  }, calls
end

--- All cases of one test file.
local function one_test(session, test, results)
  local loaded, why = cases.load(test)
  if not loaded then return nil, why end
  local prepared, missing = runner.prepare(session.place, loaded.melody)
  if not prepared then return nil, missing end
  if not prepared.ok then return nil, prepared.problems[1] end
  local recorded, bad = cases.recordings(test)
  if not recorded then return nil, bad end
  for _, case in ipairs(loaded.cases) do
    local fine, unknown = known.check(prepared.definition, test, case)
    if not fine then return nil, unknown end
  end
  local kept = {}
  for _, case in ipairs(loaded.cases) do
    local result, calls = one_case(session, test, loaded, prepared, case, recorded[case.name])
    results[#results + 1] = result
    kept[case.name] = calls and #calls > 0 and json.array(calls) or nil
  end
  if not session.recording or next(kept) == nil then return true end
  return cases.record(test, loaded.melody, kept)
end

--- The host in which the tests run: the project's own when its operations are called, else one in an empty folder.
local function open(ctx, recording)
  if recording then return ctx:host() end
  local dir, message = fs.tempdir(nil, "symphony-test-")
  if not dir then return nil, problem.new("io_error", message) end
  local host, why = play.open(ctx:place(), dir)
  if not host then fs.rmtree(dir) end
  return host, why, dir
end

local function run_all(session, tests)
  local results = {}
  for _, test in ipairs(tests) do
    local ok, why = one_test(session, test, results)
    if not ok then return nil, why end
  end
  return results
end

local function write_junit(path, results)
  local ok, message = paths.write(path, report.junit(results))
  if ok then return true end
  return problem.fail("io_error", ("%s cannot be written: %s"):format(path, message))
end

local function tell(ctx, options, results)
  local written, why = true, nil
  if options.junit then written, why = write_junit(options.junit, results) end
  if not written then return nil, why end
  if ctx.json then
    ctx:document(report.document(results))
  else
    local lines = options.tap and report.tap(results) or report.lines(results, ctx.style)
    for _, line in ipairs(lines) do ctx:print(line) end
  end
  for _, one in ipairs(results) do
    if not one.ok then return exit.FAILED end
  end
  return exit.DONE
end

return {
  name = "test",
  summary = "run the tests of melodies: stubs, recordings, a clock that skips waiting",
  usage = "melody test [MELODY]... [--record] [--tap] [--junit FILE]",
  options = {
    { name = "record", doc = "call what no stub stands for, and keep it beside the test" },
    { name = "tap", doc = "print TAP" },
    { name = "junit", argument = "FILE", doc = "write JUnit's XML there" },
  },
  example = "symphony melody test review --junit report.xml",
  run = function(ctx, words)
    local tests, why = cases.find(ctx:place(), table.move(words, 1, #words, 1, {}))
    if not tests then return nil, why end
    local recording = words.options.record or false
    local host, bad, dir = open(ctx, recording)
    if not host then return nil, bad end
    local results, failure = run_all({ host = host, place = ctx:place(), recording = recording }, tests)
    if dir then
      host:close()
      fs.rmtree(dir)
    else
      host:tape(nil)
    end
    if not results then return nil, failure end
    return tell(ctx, words.options, results)
  end,
}
