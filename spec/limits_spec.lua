--- Much at once: a hundred runs, and ten thousand tasks that wait for their turn.
local embed = require "rpc.embed"
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local MANIFEST = [[
[extension]
name = "rest"
version = "0.1.0"
type = "operator"
description = "Waits as long as it is told to."
[operator]
operator_type = "test"
[operation.wait]
doc = "Waits, then gives back what it got."
effects = "read"
idempotent = true
]]

local CODE = [[
local time = require "time"
return { wait = function(input) time.sleep(input.s) return { n = input.n } end }
]]

local session, dir

local function write_melody(name, tasks, outputs)
  local file = ("%s/melodies/%s.json"):format(dir, name)
  support.write_file(file, json.encode { format = 1, name = name, tasks = tasks, outputs = outputs })
  return file
end

local function task(key, n, s)
  return { key = key, operation = "rest.wait", extension = "rest", input = { n = n, s = s } }
end

local function start(file, parallel)
  local run, why = embed.run(session, { melody = file, durability = "process", parallel = parallel })
  assert(run, why and why.message)
  return run.run
end

local function state_of(id) return assert(session.host:run_state(id)).status end

local function step_until(condition)
  return support.wait_until(function()
    session.host:step(5)
    return condition()
  end, 120)
end

local function first(sql, id) return select(2, next(session.host:query(sql, { id })[1])) end

setup(function()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/extensions/rest/Symphony.toml", MANIFEST)
  support.write_file(dir .. "/extensions/rest/init.lua", CODE)
  support.write_file(dir .. "/melodies/none.lua", "return require 'melody' 'none'")
  assert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
  session = assert(embed.open(dir))
end)

teardown(function() session.host:close() end)

describe("a hundred runs at once", function()
  it("all end with their own outputs, each with all its rows", function()
    local list = {}
    for i = 1, 10 do list[i] = { n = i, s = 0.001 } end
    local file = write_melody("many", { task("a", 1, 0),
      { key = "m", verb = "each", operation = "rest.wait", extension = "rest", list = list } },
      { m = { ["$ref"] = { "m" } }, a = { ["$ref"] = { "a", "n" } } })
    local runs, numbers = {}, {}
    for i = 1, 100 do runs[i] = start(file) end
    for _, id in ipairs(runs) do
      step_until(function() return state_of(id) ~= "running" end)
      assert.equal("completed", state_of(id))
      local outputs = json.decode(first("SELECT outputs FROM pipeline_orchestration WHERE id = ?1", id))
      assert.equal(1, outputs.a)
      for i = 1, 10 do assert.equal(i, outputs.m[i].n) end
      assert.equal(12, first("SELECT count(*) FROM task WHERE pipeline_orchestration_id = ?1 AND key <> ''"
        .. " AND outcome = 'ok'", id))
      numbers[first("SELECT number FROM pipeline_orchestration WHERE id = ?1", id)] = true
    end
    for i = 1, 100 do assert.is_true(numbers[i], i) end
  end)
end)

describe("ten thousand tasks that wait for their turn", function()
  it("leave other runs theirs, and are let go of together", function()
    local tasks = {}
    for i = 1, 10000 do tasks[i] = task("t" .. i, i, 60) end
    local crowd = start(write_melody("crowd", tasks), 4)
    local executing = "SELECT count(*) FROM task WHERE pipeline_orchestration_id = ?1 AND task_status = 'executing'"
      .. " AND key <> ''"
    step_until(function() return first(executing, crowd) == 4 end)

    local other = start(write_melody("other", { task("a", 7, 0) }))
    step_until(function() return state_of(other) ~= "running" end)
    assert.equal("completed", state_of(other))
    assert.equal("running", state_of(crowd))
    assert.equal(4, first(executing, crowd))

    assert(session.host:cancel(crowd))
    step_until(function() return state_of(crowd) ~= "running" end)
    assert.equal("cancelled", state_of(crowd))
    assert.equal(10000, first("SELECT count(*) FROM task WHERE pipeline_orchestration_id = ?1 AND key <> ''"
      .. " AND outcome = 'cancelled'", crowd))
  end)
end)
