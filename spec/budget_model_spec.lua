--- Random trees of tasks: no decision about a budget passes it by more than one reserve.
local json = require "sy.json"
local tools = require "spend"

local spend = tools.new()
local melody, run, decisions = spend.melody, spend.run, spend.decisions
local near = tools.near

before_each(spend.open)

--- A definition of nested maps, loops and sub-melodies with budgets everywhere, from a seed.
local function random_melody(seed)
  math.randomseed(seed)
  local function input()
    local mode = ({ "ok", "ok", "ok", "fail", "again", "drip" })[math.random(6)]
    return ('{ usd = %.2f, tokens = %d, mode = "%s" }'):format(math.random(0, 20) / 100, math.random(0, 2000), mode)
  end
  local function options(more)
    local list = { 'on_error = "skip"', more }
    if math.random(2) == 1 then
      list[#list + 1] = ('budget = { "%.2fusd", "%dtok" }'):format(math.random(10, 60) / 100, math.random(1000, 9000))
    end
    if math.random(3) == 1 then list[#list + 1] = 'fallback = { "meter.cheap" }' end
    if math.random(3) == 1 then list[#list + 1] = 'retry = { max = 2, backoff = "none" }' end
    return "{ " .. table.concat(list, ", ") .. " }"
  end
  local function body(depth)
    local lines = {}
    for i = 1, 6 do
      local kind = math.random(depth > 0 and 4 or 3)
      if kind == 1 then
        lines[i] = ('m:task("t%d", "meter.ask", %s, %s)'):format(i, input(), options())
      elseif kind == 2 then
        local items = {}
        for n = 1, math.random(3, 8) do items[n] = input() end
        lines[i] = ('m:each("e%d", { %s }, "meter.ask", nil, %s)'):format(i, table.concat(items, ", "), options())
      elseif kind == 3 then
        lines[i] = ('m:loop("l%d", "meter.ask", %s, function(out) return { usd = 0.05, tokens = 500 } end, %s)')
          :format(i, input(), options "max = 3")
      else
        lines[i] = ('m:sub("s%d", "inner", {}, { on_error = "skip", budget = "0.%d0usd" })'):format(i, math.random(2, 6))
      end
    end
    return table.concat(lines, "\n")
  end
  melody(body(0), "inner")
  melody(body(1))
end

describe("random trees of tasks", function()
  it("stay within their budgets at every decision, and leave nothing reserved", function()
    local first, seeds = 1, os.getenv "SYMPHONY_LONG" and 60 or 6
    for seed = first, first + seeds - 1 do
      random_melody(seed)
      local limit = 0.8
      local doc, result = run("--budget", limit .. "usd", "--budget", "15000tok", "--parallel", "6")
      assert.is_not_nil(result.code, "seed " .. seed .. result.err)
      local cost, settled, held = 0, 0, 0
      for _, task in ipairs(doc.tasks) do cost = cost + task.cost.usd end
      for _, one in ipairs(decisions(doc)) do
        local where = ("seed %d: %s"):format(seed, json.encode(one))
        if one.decision == "budget_reserve" then
          held = held + 1
          local least = ({ usd = 0.1, tokens = 1000, cpu_ms = 0 })[one.unit]
          local sum = one.settled[one.unit] + one.reserved[one.unit]
          assert.is_true(sum <= one.limit + least + 1e-9, where)
        elseif one.decision == "budget_settle" then
          held = held - 1
          settled = settled + one.used.usd
        end
      end
      assert.equal(0, held, "seed " .. seed)
      near(settled, cost)
      near(cost, doc.cost.usd)
      assert.is_true(cost <= limit + 0.1 + 1e-9, ("seed %d spent %s"):format(seed, cost))
    end
  end)
end)
