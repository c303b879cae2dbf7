local args = require "cli.args"

local OPTIONS = {
  { name = "param", short = "p", argument = "KEY=VALUE", repeated = true, doc = "" },
  { name = "limit", argument = "N", default = "50", doc = "" },
  { name = "dry-run", doc = "" },
  { name = "level", argument = "L", choices = { "full", "none" }, doc = "" },
}

local function refused(words)
  local found, why = args.parse(words, OPTIONS)
  assert.is_nil(found)
  assert.equal("usage", why.code)
  return why
end

describe("words that cannot be meant", function()
  it("names an unknown option and the one that was meant", function()
    local why = refused { "x", "--dry-rnu" }
    assert.equal("there is no option `--dry-rnu` here", why.message)
    assert.equal("did you mean `--dry-run`?", why.hint)
  end)

  it("refuses an option without its value", function()
    assert.matches("%-%-limit needs a value", refused({ "--limit" }).message)
  end)

  it("refuses a flag with a value", function()
    assert.matches("takes no value", refused({ "--dry-run=yes" }).message)
  end)

  it("refuses a value that is none of the choices", function()
    assert.matches("one of full, none", refused({ "--level", "ful" }).message)
  end)

  it("refuses an option given twice with different values", function()
    assert.matches("twice", refused({ "--limit", "1", "--limit", "2" }).message)
  end)

  it("refuses too many and too few words, showing the usage", function()
    local _, few = args.count({}, 1, 1, "show RUN")
    assert.equal("RUN is missing", few.message)
    local _, second = args.count({ "a" }, 2, 2, "artifact export ARTIFACT FILE")
    assert.equal("FILE is missing", second.message)
    assert.equal("symphony show RUN", few.hint)
    local _, many = args.count({ "a", "b" }, 0, 1, "show RUN")
    assert.matches("`b` is one word too many", many.message)
  end)
end)

describe("options", function()
  it("stand anywhere and take their value attached or behind", function()
    local found = assert(args.parse({ "--limit=3", "a", "-p", "x=1", "b", "--json", "-p", "y=2" }, OPTIONS))
    assert.same({ "a", "b" }, { table.unpack(found) })
    assert.equal("3", found.options.limit)
    assert.same({ "x=1", "y=2" }, found.options.param)
    assert.is_true(found.options.json)
  end)

  it("end at --", function()
    local found = assert(args.parse({ "a", "--", "--json", "-p" }, OPTIONS))
    assert.same({ "a", "--json", "-p" }, { table.unpack(found) })
    assert.is_nil(found.options.json)
  end)

  it("have their default when left out", function()
    assert.equal("50", assert(args.parse({}, OPTIONS)).options.limit)
  end)

  it("leave negative numbers and a lone dash alone", function()
    assert.same({ "-5", "-" }, { table.unpack(assert(args.parse({ "-5", "-" }, OPTIONS))) })
  end)
end)

describe("the command's name", function()
  it("is the first word that is no option of every command", function()
    assert.equal(4, args.command_at { "--project", "/x", "--json", "run", "hello" })
    assert.is_nil(args.command_at { "--json" })
  end)

  it("does not hide --json behind other mistakes", function()
    assert.is_true(args.wants_json { "run", "--nonsense", "--json" })
    assert.is_false(args.wants_json { "run", "--", "--json" })
  end)
end)
