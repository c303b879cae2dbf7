local flow_calls = require "melody.flow_calls"
local load_melody = require "melody.load"

local function loaded(text)
  return load_melody.lua(text, { file = "melodies/test.lua" })
end

describe("a flow", function()
  it("is a melody with one task: the function, what it captures, the operations it names", function()
    local made = loaded [[
local melody = require "melody"
local most = 3
return melody.flow("triage", function(run, params)
  local a = run:call("search.grep", { pattern = params.pattern, most = most })
  run:map("file.read", a.matches)
  return run:call "search.grep"
end)
]]
    assert.same({}, made.problems)
    assert.equal("triage", made.definition.name)
    local task = made.definition.tasks[1]
    assert.equal("flow", task.key)
    assert.equal("flow", task.verb)
    assert.equal(3, task.fn.captures.most)
    assert.matches("^function%(run, params%)", task.fn.lua)
    assert.same({ "search.grep", "file.read" }, { task.operations[1].operation, task.operations[2].operation })
    assert.equal("file", task.operations[2].extension)
  end)

  it("names operations only as literals of its own first parameter", function()
    assert.same({ "a.b", "c.d" }, flow_calls.of [[function(r) r:call("a.b") x:call("x.y") r:map('c.d') r:ask("e.f") end]])
    assert.same({}, flow_calls.of "function() end")
    assert.same({}, flow_calls.of [[function(r) local name = "a.b" r:call(name) end]])
  end)

  it("captures nothing but plain data", function()
    local made = loaded [[
local melody = require "melody"
local function inner() end
return melody.flow("x", function(run) inner() end)
]]
    assert.is_nil(made.definition)
    assert.matches("inner", made.problems[1].message)
  end)

  it("needs a name and a function", function()
    for _, call in ipairs { "melody.flow('x')", "melody.flow(function() end)", "melody.flow('1x', function() end)" } do
      local made = loaded("local melody = require 'melody'\nreturn " .. call)
      assert.is_nil(made.definition, call)
      assert.equal("melody_invalid", made.problems[1].code)
    end
  end)
end)
