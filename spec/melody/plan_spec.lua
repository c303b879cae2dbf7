local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local definition_of = require "melody.definition"
local json = require "sy.json"
local plan = require "melody.plan"

local review = help.fixture("review.lua").definition

describe("the document of a dry run", function()
  it("does not exist for a circle", function()
    local document, _, code = plan.document(help.fixture("refused/cycle.lua").definition)
    assert.is_nil(document)
    assert.equal("cycle", code)
  end)

  it("lists the tasks in the order they can run, and what they wait for", function()
    local document = plan.document(review, help.ops)
    assert.equal("review", document.melody)
    assert.equal(definition_of.hash(review), document.melody_hash)
    assert.same({ key = "diff", verb = "task", operation = "git.diff", after = {} }, document.tasks[1])
    assert.same({ key = "report", verb = "task", operation = "report.write",
                  after = { "diff", "marks", "checks", "notes" } },
                document.tasks[5])
    assert.truthy(json.encode(document):find('"after":[]', 1, true))
  end)

  it("says what may be touched, by effects", function()
    assert.same({ "git.diff: reads", "lint.check: reads", "report.write: writes", "search.grep: reads" },
                plan.document(review, help.ops).may_touch)
  end)

  it("says what may be touched, by capabilities", function()
    local function ops()
      return { extension = "git", effects = "read",
               capabilities = { fs = { read = { "$PROJECT/**" } }, process = { "git" }, net = {}, memory = "64MiB" } }
    end
    assert.same({ "git: read $PROJECT/**", "git: run git" }, plan.document(review, ops).may_touch)
  end)
end)
