--- What sums up agrees with what it sums up: the singletons, a melody's history, judged artifacts.
local json = require "sy.json"
local kit_state = require "kit.state"
local support = require "support"

local ECHO = [[
local m = require "melody" "echo"
m:task("said", "process.run", { argv = { "echo", "hello" } })
return m
]]

local FAILS = [[
local m = require "melody" "fails"
m:task("said", "process.run", { argv = { "no-such-program" } })
return m
]]

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function rows(entity, ...)
  local r = symphony("data", entity, "--json", "--limit", "1000", ...)
  assert.equal(0, r.code, r.out .. r.err)
  return json.decode(r.out).rows
end

local function count(list, column, value)
  local n = 0
  for _, row in ipairs(list) do n = n + (row[column] == value and 1 or 0) end
  return n
end

before_each(function()
  dir = support.tmpdir()
  assert.equal(0, symphony("init").code)
  support.write_file(dir .. "/melodies/echo.lua", ECHO)
  support.write_file(dir .. "/melodies/fails.lua", FAILS)
end)

describe("the conductor's figures", function()
  it("are those of the table of runs", function()
    for _ = 1, 3 do assert.equal(0, symphony("run", "echo").code) end
    assert.equal(1, symphony("run", "fails").code)
    assert.equal(0, symphony("run", "echo", "--durability", "none").code)
    local runs, conductor = rows "pipeline_orchestration", rows("conductor")[1]
    local said, ms = conductor.performance_metrics, 0
    for _, run in ipairs(runs) do ms = ms + run.cost_ms end
    assert.equal(5, #runs)
    assert.equal(#runs, said.runs)
    assert.equal(count(runs, "status", "completed"), said.completed)
    assert.equal(count(runs, "status", "failed"), said.failed)
    assert.equal(ms, said.ms)
    assert.equal(#runs, conductor.orchestration_strategies.runs.manual)
    local last = 0
    for _, event in ipairs(rows "event") do last = math.max(last, event.seq) end
    assert.equal(last, said.seq)
  end)
end)

describe("a melody's history", function()
  it("has the last hundred runs and totals over all", function()
    support.sh(('for i in $(seq 103); do "%s" run echo --durability process --quiet; done'):format(support.bin),
      { cwd = dir, timeout_s = 200 })
    local melody, runs = rows("melody")[1], rows "pipeline_orchestration"
    local history = melody.execution_history
    assert.equal(100, #history.runs)
    assert.equal(4, history.runs[1].number)
    assert.equal(103, history.runs[100].number)
    assert.equal(runs[103].id, history.runs[100].run)
    assert.equal(runs[103].cost_ms, history.runs[100].ms)
    assert.equal(103, history.totals.completed)
  end)
end)

describe("the queue", function()
  it("is empty when nothing waits", function()
    assert.equal(0, symphony("run", "echo").code)
    local queue = rows("orchestra_kit")[1].task_queue
    assert.equal(0, queue.depth)
    assert.same({}, queue.oldest)
  end)
end)

describe("a damaged artifact", function()
  it("is told by its judge and by the Pit", function()
    support.sh("git init -q . && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm one", { cwd = dir })
    assert.equal(0, symphony("run", "review").code)
    local made = rows("artifact")[1]
    assert.equal("schema", made.quality_metrics[1].judge)
    local script = ("sqlite3 .symphony/symphony.db \"UPDATE blob SET content = x'00' WHERE hash = '%s'\"")
    support.sh(script:format(made.content_hash), { cwd = dir })
    local r = symphony("artifact", "verify", "--json")
    assert.equal(1, r.code)
    assert.equal(made.content_hash, json.decode(r.out).damaged[1].hash)
    local judged = rows("artifact", "--where", "id=" .. made.id)[1].quality_metrics
    assert.equal("damaged", judged[2].verdict)
    assert.equal(0, judged[2].value)
    local told = rows("pit_operation", "--where", "operation_type=artifact_storage")
    local last = told[#told]
    assert.equal("verify_failed", last.operation_context.action)
    assert.equal("host.artifacts", rows("task", "--where", "id=" .. last.task_id)[1].operation)
    assert.equal(1, #rows("artifact_pit_operation", "--where", "pit_operation_id=" .. last.id))
  end)
end)

describe("a list that is too long for a column", function()
  it("is kept as its length, its table and the moment", function()
    local installed, written = {}, nil
    for i = 1, 2000 do
      installed[i] = { name = ("extension-%d"):format(i), type = "operator", version = "1.0.0", source = "user",
        capabilities = "{}" }
    end
    local host = {
      now = function() return "now" end,
      query = function(_, sql)
        if sql:find "max%(seq%)" then return { { seq = 7 } } end
        return sql:find "extension_version" and installed or {}
      end,
      transaction = function(_, steps)
        written = steps
        return true
      end,
    }
    local settings = { all = function() return {} end, get = function() return 1024 end }
    assert.is_true(kit_state.refresh(host, { trusted = true }, settings))
    local registry = json.decode(written[1][2][2])
    assert.same({ count = 2000, table = "extension", as_of = "now", seq = 7 }, registry)
    assert.is_true(#written[1][2][3] < 64 << 10)
  end)
end)
