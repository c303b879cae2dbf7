local help = dofile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/melody/help.lua")
local definition_of = require "melody.definition"
local graph = require "melody.graph"

local function make(tasks)
  local definition, problems = definition_of.normalise { format = 1, name = "g", tasks = tasks }
  assert.same({}, problems)
  return graph.new(definition)
end

local function task(key, after, extra)
  local made = { key = key, operation = "x.y", options = { after = after or {} } }
  for name, value in pairs(extra or {}) do made[name] = value end
  return made
end

describe("a graph with a circle", function()
  it("has no order but names the circle, and no levels", function()
    local g = make { task("out", "c"), task("a", "c"), task("b", "a"), task("c", "b"), task("free") }
    local order, circle = graph.order(g)
    assert.is_nil(order)
    assert.same({ "a", "b", "c" }, circle)
    assert.is_nil(graph.levels(g))
  end)
end)

describe("the order", function()
  it("puts predecessors first and keeps the written order else", function()
    local g = make { task("d", { "b", "c" }), task("a"), task("c", "a"), task("b", "a") }
    assert.same({ "a", "c", "b", "d" }, (graph.order(g)))
    assert.same({ { "a" }, { "c", "b" }, { "d" } }, graph.levels(g))
  end)

  it("of a chain of 20,000 tasks is found without recursion", function()
    local tasks = { task "t1" }
    for i = 2, 20000 do tasks[i] = task("t" .. i, "t" .. i - 1) end
    local order, level = graph.order(make(tasks))
    assert.equal(20000, #order)
    assert.equal(20000, level.t20000)
  end)
end)

describe("edges", function()
  it("come from references, names in functions and after; the strongest counts", function()
    local g = make {
      task("a"), task("b"), task("c"), task("d"),
      task("e", "b", {
        input = { x = { ["$ref"] = { "a" }, edge = "soft" }, y = { ["$ref"] = { "b" }, edge = "optional" },
                  z = { ["$text"] = { "v", { ["$ref"] = { "d", "x" } } } },
                  q = { ["$literal"] = { ["$ref"] = { "c" } } } },
        options = { after = "b", edge = "soft", when = "#c > 0" },
      }),
    }
    assert.same({ a = "soft", b = "hard", c = "soft", d = "soft" }, g.before.e)
  end)

  it("come from the inputs of fallbacks", function()
    local fallback = { { "x.y", { v = { ["$ref"] = { "a" } } } } }
    local g = make { task("a"), task("b", nil, { options = { fallback = fallback } }) }
    assert.same({ a = "hard" }, g.before.b)
  end)

  it("leave leaves", function()
    assert.same({ "report" }, graph.leaves(graph.new(help.fixture("review.lua").definition)))
  end)
end)
