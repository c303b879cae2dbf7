--- A new motif: a list of tasks as a tree of components.
return {
  ["Symphony.toml"] = [=[
[extension]
name = "@NAME@"
version = "0.1.0"
type = "motif"
category = "view"
description = "Shows tasks with their state, as a tree of components."
license = "MIT"
symphony = ">=0.1, <1"
entry = "init.lua"

[motif.ui_components]
tasks = { doc = "A list of tasks with a bar of how many are done.", operation = "render" }

[motif.theme_integration]
tokens = ["state.done", "state.failed", "state.waiting"]

[operation.render]
doc = "The tree of components for a state."
effects = "none"
idempotent = true

[operation.render.input]
type = "object"
additionalProperties = false
required = ["tasks"]

[operation.render.input.properties.tasks]
type = "array"

[operation.render.input.properties.tasks.items]
type = "object"
required = ["name", "state"]
properties = { name = { type = "string" }, state = { enum = ["done", "failed", "waiting"] } }

[operation.render.output]
type = "object"
required = ["component", "children"]

[operation.render.output.properties]
component = { type = "string" }
children = { type = "array" }

[operation.action]
doc = "The state after a person did something: `clear` leaves out what is done."
effects = "none"
idempotent = true

[operation.action.input]
type = "object"
additionalProperties = false
required = ["name", "state"]
properties = { name = { enum = ["clear"] }, state = { type = "object" }, data = { type = "object" } }

[operation.action.output]
type = "object"
required = ["tasks"]
properties = { tasks = { type = "array" } }
]=],
  ["init.lua"] = [=[
local json = require "json"

local M = {}

local function row(task)
  return { component = "row", key = task.name, children = json.array {
    { component = "text", text = task.state, token = "state." .. task.state },
    { component = "text", text = task.name },
  } }
end

---@param state { tasks: { name: string, state: string }[] }
function M.render(state)
  local rows, done = json.array {}, 0
  for i, task in ipairs(state.tasks) do
    rows[i] = row(task)
    if task.state == "done" then done = done + 1 end
  end
  return { component = "column", children = json.array {
    { component = "bar", value = done, max = #state.tasks },
    { component = "list", children = rows },
    { component = "button", text = "Clear", action = "clear" },
  } }
end

local actions = {}

function actions.clear(state)
  local left = json.array {}
  for _, task in ipairs(state.tasks or {}) do
    if task.state ~= "done" then left[#left + 1] = task end
  end
  return { tasks = left }
end

---@param input { name: string, state: table, data: table? }
function M.action(input)
  return actions[input.name](input.state, input.data)
end

return M
]=],
  ["spec/@LAST@_spec.lua"] = [=[
local testing = require "testing"

local STATE = { tasks = { { name = "build", state = "done" }, { name = "test", state = "failed" } } }

describe("render", function()
  it("gives a bar, a list and a button", function()
    local tree = assert(testing.call("render", STATE))
    local bar, list, button = table.unpack(tree.children)
    assert.same({ "column", "bar", "list", "button" }, { tree.component, bar.component, list.component,
      button.component })
    assert.same({ 1, 2 }, { bar.value, bar.max })
    assert.equal("state.failed", list.children[2].children[1].token)
  end)

  it("refuses a state it does not know", function()
    assert.is_nil(testing.call("render", { tasks = { { name = "x", state = "lost" } } }))
  end)
end)

describe("action", function()
  it("leaves out what is done", function()
    local state = assert(testing.call("action", { name = "clear", state = STATE }))
    assert.same({ { name = "test", state = "failed" } }, state.tasks)
  end)
end)
]=],
  example = [[render '{"tasks":[{"name":"build","state":"done"}]}']],
}
