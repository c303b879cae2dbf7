--- symphony data: rows as people and programs see them.
local json = require "sy.json"
local support = require "support"

local dir

local function symphony(...)
  return support.symphony({ ... }, { cwd = dir })
end

local function rows(...)
  local r = symphony("data", "--json", ...)
  assert.equal(0, r.code, r.out .. r.err)
  return json.decode(r.out).rows
end

describe("symphony data", function()
  setup(function()
    dir = support.tmpdir()
    support.write_file(dir .. "/a.txt", "one\n")
  end)

  it("is refused where nothing has run yet", function()
    local r = symphony("data", "task")
    assert.equal(4, r.code)
    assert.is_false(support.exists(dir .. "/.symphony/symphony.db"))
  end)

  it("refuses entities and columns that are not there, and says which are meant", function()
    assert.equal(0, symphony("run", "hello").code)
    local r = symphony("data", "taks")
    assert.equal(4, r.code)
    assert.matches("did you mean `task`", r.err)
    r = symphony("data", "task", "--where", "task_statu=failed")
    assert.equal(2, r.code)
    assert.matches("did you mean `task_status`", r.err)
    assert.equal(2, symphony("data", "task", "--where", "task_status").code)
    assert.equal(2, symphony("data", "task", "--limit", "0").code)
    assert.equal(4, symphony("data", "task; DROP TABLE task").code)
  end)

  it("takes a value as a value", function()
    assert.same({}, rows("task", "--where", "key=x' OR '1'='1"))
    assert.equal("found", rows("task", "--where", "key=found")[1].key)
  end)

  it("gives the latest rows, in order, with JSON columns as values", function()
    local all, two = rows("event"), rows("event", "--limit", "2")
    assert.equal(2, #two)
    assert.same({ all[#all - 1].id, all[#all].id }, { two[1].id, two[2].id })
    assert.is_table(two[1].event_payload)
    assert.is_table(rows("melody")[1].definition.tasks)
  end)

  it("shows a row as lines, and the entities with how many rows each has", function()
    local r = symphony("data", "conductor")
    assert.matches("event_router_config%s+{", r.out)
    r = symphony("data")
    assert.matches("conductor%s+1\n", r.out)
    assert.matches("prompt%s+0\n", r.out)
    assert.matches("no rows", symphony("data", "prompt").out)
  end)
end)
