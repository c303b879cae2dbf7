--- Random melodies with random failures, timings and cancellations come to what a reference interpreter says.
--- 300 seeds; SYMPHONY_LONG: 10,000. SYMPHONY_SEED=n tries that one alone.
local json = require "sy.json"
local model_melody = require "model_melody"
local model_project = require "model_project"

local SEEDS = os.getenv "SYMPHONY_LONG" and 10000 or 300

local function disturbance(seed)
  if seed % 7 == 0 then return { cancel = seed % 5 } end
  if seed % 7 == 1 then return { pause = seed % 6 } end
  return {}
end

--- Leaves out tasks that nobody needs while the melody is still wrong.
local function minimised(project, definition, disturb)
  local smaller = true
  while smaller do
    smaller = false
    for i = #definition.tasks, 1, -1 do
      local task = table.remove(definition.tasks, i)
      local needed = json.encode(definition):find('"' .. task.key .. '"', 1, true)
      if not needed and #definition.tasks > 0 and project:try(definition, disturb) then
        smaller = true
      else
        table.insert(definition.tasks, i, task)
      end
    end
  end
  return definition
end

describe("a random melody", function()
  local project

  setup(function() project = model_project.open() end)
  teardown(function() project:close() end)

  it("comes to what the reference interpreter says", function()
    local only = math.tointeger(os.getenv "SYMPHONY_SEED")
    for seed = only or 1, only or SEEDS do
      local definition, disturb = model_melody.melody(seed), disturbance(seed)
      local problem = project:try(definition, disturb)
      if problem then
        error(("SYMPHONY_SEED=%d: %s\n%s\n%s"):format(seed, problem, json.encode(disturb),
          json.encode(minimised(project, definition, disturb))), 0)
      end
    end
  end)
end)
