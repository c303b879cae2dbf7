local schedule = require "melody.schedule"
local triggers = require "melody.triggers"

describe("a trigger", function()
  local wrong = {
    { "schedule", "0 9 * *", "five fields" },
    { "schedule", "60 9 * * *", "`60` is no minute: 0 to 59" },
    { "schedule", "0 24 * * *", "is no hour" },
    { "schedule", "0 9 0 * *", "is no day of the month" },
    { "schedule", "0 9 * FOO *", "`FOO` is no month" },
    { "schedule", "0 9 * * 8", "is no day of the week" },
    { "schedule", "0 9 * * FRI-MON", "ends before it begins" },
    { "schedule", "*/0 * * * *", "a step is at least 1" },
    { "schedule", "1,,2 * * * *", "is no list" },
    { "schedule", "0 0 31 2,4 *", "no month of it has such a day" },
    { "schedule", "0 9 * * * Berlin", "`Berlin` is no time zone" },
    { "schedule", "0 9 * * * Europe/../etc", "no time zone" },
    { "event", "", "words between its dots" },
    { "event", "a..b", "words between its dots" },
    { "event", "a.b*", "stand for whole words" },
    { "event", "a.>.b", "its last word" },
    { "file", "", "which files" },
    { "file", "/etc/*", "within the project" },
    { "file", "a/../../b", "within the project" },
    { "file", "a[bc", "not closed" },
    { "webhook", "a b", "no name" },
    { "melody", "x/y", "no name" },
  }
  for _, case in ipairs(wrong) do
    it(("is refused: %s %q"):format(case[1], case[2]), function()
      local ok, message = triggers.check(case[1], case[2])
      assert.is_nil(ok)
      assert.truthy(message:find(case[3], 1, true), message)
    end)
  end

  local right = {
    { "schedule", "0 9 * * MON-FRI Europe/Berlin" }, { "schedule", "*/15 8-18/2 1,15 jan-mar 0,7 UTC" },
    { "schedule", "0 0 29 2 *" }, { "schedule", "5 4 * * SUN America/Argentina/Buenos_Aires" },
    { "event", "run.*.task_completed" }, { "event", "build.>" }, { "file", "src/**/*.{c,h}" }, { "webhook", "push" },
    { "melody", "review" },
  }
  for _, case in ipairs(right) do
    it(("may be %s %q"):format(case[1], case[2]), function() assert.is_true(triggers.check(case[1], case[2])) end)
  end
end)

describe("a schedule", function()
  it("is sets of minutes, hours, days, months and weekdays, and a zone", function()
    local sets = schedule.parse "*/20 8-18/5 1,15 JAN-MAR FRI Europe/Berlin"
    local function list(set)
      local out = {}
      for value in pairs(set) do out[#out + 1] = value end
      table.sort(out)
      return out
    end
    assert.same({ 0, 20, 40 }, list(sets[1]))
    assert.same({ 8, 13, 18 }, list(sets[2]))
    assert.same({ 1, 15 }, list(sets[3]))
    assert.same({ 1, 2, 3 }, list(sets[4]))
    assert.same({ 5 }, list(sets[5]))
    assert.equal("Europe/Berlin", sets.zone)
    assert.equal("UTC", schedule.parse("0 0 * * *").zone)
  end)

  it("with a step but no end goes to the last value", function()
    local sets = schedule.parse "50/4 * * * *"
    assert.is_true(sets[1][50] and sets[1][54] and sets[1][58])
    assert.is_nil(sets[1][51])
  end)
end)
