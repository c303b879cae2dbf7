--- Tasks of the host itself: what is refused, and what they leave.
local chore = require "kit.chore"
local core = require "sy.core"
local support = require "support"

describe("a task of the host", function()
  local host
  local ABOUT = { type = "artifact_processing", operation = "host.artifacts", payload = '{"action":"look"}' }

  local dir

  before_each(function()
    dir = support.tmpdir()
    host = assert(core.open { project = dir })
  end)

  after_each(function() host:close() end)

  --- Rows, once everything that was queued is written.
  local function rows(sql)
    assert(host:write("UPDATE conductor SET id = id", {}))
    return host:query(sql, {})
  end

  it("is refused with a type that the data model does not have", function()
    local id, why, code = host:begin_task { type = "party", operation = "host.artifacts" }
    assert.is_nil(id)
    assert.equal("usage", code)
    assert.matches("party", why.message)
    assert.equal(0, #rows "SELECT id FROM task")
  end)

  it("is one at a time", function()
    assert(host:begin_task(ABOUT))
    assert.has_error(function() host:begin_task(ABOUT) end)
    host:end_task {}
    assert.has_error(function() host:end_task {} end)
    assert.has_error(function() host:decide("stale_management", "{}") end)
  end)

  it("has a row, events in order and the Pit's decisions", function()
    local id = assert(host:begin_task(ABOUT))
    assert(host:decide("stale_management", '{"action":"look"}', '{"bytes":3}'))
    host:end_task { output = '{"found":1}' }
    local task = rows("SELECT * FROM task")[1]
    assert.equal(id, task.id)
    assert.equal("completed", task.task_status)
    assert.equal("ok", task.outcome)
    assert.equal('{"found":1}', task.output)
    local events = rows "SELECT event_type, topic FROM event ORDER BY seq"
    assert.same({ { event_type = "task_started", topic = "host.artifacts.task_started" },
      { event_type = "task.completed", topic = "host.artifacts.task.completed" } }, events)
    assert.equal('{"bytes":3}', rows("SELECT * FROM pit_operation WHERE task_id = '" .. id .. "'")[1].resource_allocations)
  end)

  it("fails with its problem, and with what its work raises", function()
    local about = { type = ABOUT.type, operation = ABOUT.operation, payload = { action = "look" } }
    local result, why = chore.run(host, about, function() return nil, { code = "not_found", message = "no such thing" } end)
    assert.is_nil(result)
    assert.equal("not_found", why.code)
    assert.has_error(function() chore.run(host, about, function() error "broken" end) end)
    local tasks = rows "SELECT task_status, outcome, error FROM task"
    assert.equal(2, #tasks)
    for _, task in ipairs(tasks) do assert.same({ "failed", "error" }, { task.task_status, task.outcome }) end
    local said = tasks[1].error .. tasks[2].error
    assert.matches("no such thing", said)
    assert.matches("broken", said)
  end)

  it("fails when its host is closed before it has ended", function()
    local id = assert(host:begin_task(ABOUT))
    local status = "SELECT task_status FROM task WHERE id = '" .. id .. "'"
    assert.equal("executing", rows(status)[1].task_status)
    host:close()
    host = assert(core.open { project = dir })
    assert.equal("failed", rows(status)[1].task_status)
  end)
end)
