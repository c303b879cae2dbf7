--- Every attribute of the data model lives: an action of a user changes it, a command shows the value that is expected.
local erd = assert(loadfile((os.getenv "SYMPHONY_ROOT" or ".") .. "/spec/erd.lua"))()
local fs = require "sy.fs"
local json = require "sy.json"
local support = require "support"
local system = require "sy.system"

--- The model's section 1, entity by entity.
local MODEL = {
  user = "id name email preferences created_at",
  prompt = "id user_id content context created_at",
  conductor = "id rl_model_state orchestration_strategies performance_metrics training_data event_router_config",
  melody = "id conductor_id project_id name definition creation_source execution_history created_at",
  project = "id user_id name configuration created_at",
  task = "id conductor_id extension_id melody_id task_type task_payload task_status execution_context created_at"
    .. " dispatched_at completed_at",
  orchestra_kit = "id version configuration extension_registry security_context performance_state task_queue",
  extension = "id orchestra_kit_id manifest capabilities extension_type lifecycle_state installed_at",
  instrument = "extension_id model_type model_configuration performance_metrics",
  operator = "extension_id operator_type input_schema output_schema",
  motif = "extension_id ui_components theme_integration",
  event = "id task_id extension_id event_type event_payload event_context occurred_at",
  artifact = "id event_id extension_id melody_id artifact_type content_hash metadata quality_metrics created_at",
  pit_operation = "id task_id operation_type operation_context resource_allocations performed_at",
  pipeline_orchestration = "id conductor_id melody_id task_dag execution_sequence orchestration_type",
}

-- ---- scenes ----

local World = {}
World.__index = World

function World:sh(line)
  local run = ('symphony() { "$SYMPHONY" "$@"; }\n%s'):format(line)
  support.sh(run, { cwd = self.dir, env = { SYMPHONY = self.bin }, timeout_s = 120 })
end

function World:steps(list)
  for _, step in ipairs(list or {}) do
    if step == "files" then
      for path, text in pairs(erd.files) do support.write_file(self.dir .. "/" .. path, text) end
    else
      self:sh(step)
    end
  end
end

--- What a command says as JSON: one document, or a list of lines. nil when it fails. Once for each phase.
function World:ask(command)
  if self.said[command] then return self.said[command][1] end
  local words = { "--json" }
  for word in command:gmatch("%S+") do words[#words + 1] = word end
  local r = support.symphony(words, { cwd = self.dir })
  local value
  if r.code == 0 and command == "events" then
    value = {}
    for text in r.out:gmatch("[^\n]+") do value[#value + 1] = assert(json.decode(text)) end
  elseif r.code == 0 then
    value = assert(json.decode(r.out))
  end
  self.said[command] = { value }
  return value
end

--- The value of a line now, and the row or document it is in.
function World:look(line)
  local command = line.command
  if command == "artifact show" then
    local rows = self.rows "artifact"
    if #rows == 0 then return nil end
    command = "artifact show " .. rows[#rows].id
  end
  local document = self:ask(command)
  if document == nil then return nil end
  if line.pick then return line.pick(document, self) end
  local row = document.rows and document.rows[#document.rows] or not document.rows and document or nil
  return row and row[line.attribute], row
end

local function world_of()
  local self = setmetatable({ dir = fs.realpath(support.tmpdir()), said = {} }, World)
  self.bin = fs.realpath(support.bin)
  self.name = self.dir:match("[^/]+$")
  self.version = system.version
  function self.rows(entity)
    local document = self:ask("data " .. entity .. " --limit 1000")
    return document and document.rows or {}
  end
  return self
end

--- Values of a scene's lines before and after its action: {line → {before, after, row}}.
local function play(scene, lines)
  local world, seen = world_of(), {}
  world:steps(scene.setup)
  for _, line in ipairs(lines) do seen[line] = { before = world:look(line) } end
  world.said = {}
  world:steps(scene.action)
  for _, line in ipairs(lines) do seen[line].after, seen[line].row = world:look(line) end
  for _, line in ipairs(lines) do
    local one = seen[line]
    one.fits = one.after ~= nil and one.after ~= json.null and line.expected(one.after, one.row or {}, world)
  end
  world:steps(scene.finally)
  return seen
end

local function shown(value)
  if value == nil then return "nothing" end
  return (json.encode(value):sub(1, 600))
end

-- ---- the table ----

describe("the data model", function()
  it("has a line for each attribute, and none that is not in it", function()
    local known, there = {}, {}
    for entity, names in pairs(MODEL) do
      for name in names:gmatch("%S+") do known[entity .. "." .. name] = true end
    end
    for _, line in ipairs(erd.lines) do
      local name = line.entity .. "." .. line.attribute
      there[name] = true
      assert.is_true(known[name] ~= nil, name)
      assert.is_true(#line.meaning > 2, name)
      assert.equal(erd.later[name] == nil, line.scene ~= nil and line.expected ~= nil, name)
    end
    for name in pairs(known) do assert.is_true(there[name] ~= nil, name .. " has no line") end
    for name in pairs(erd.later) do assert.is_true(known[name] ~= nil, name) end
  end)

  it("is the schema's: each entity a table, each attribute a column", function()
    local dir = support.tmpdir()
    assert.equal(0, support.symphony({ "init" }, { cwd = dir }).code)
    local host = assert(require("sy.core").open { project = dir, user_dir = dir })
    for entity, names in pairs(MODEL) do
      local columns = {}
      for _, column in ipairs(host:query(("PRAGMA table_info(%s)"):format(entity), {})) do columns[column.name] = true end
      for name in names:gmatch("%S+") do assert.is_true(columns[name] ~= nil, entity .. "." .. name) end
    end
    host:close()
  end)
end)

for name, scene in pairs(erd.scenes) do
  local lines = {}
  for _, line in ipairs(erd.lines) do
    if line.scene == name then lines[#lines + 1] = line end
  end
  describe("after `" .. scene.action[#scene.action] .. "` (" .. name .. ")", function()
    local seen

    setup(function() seen = play(scene, lines) end)

    for _, line in ipairs(lines) do
      it(("%s.%s is as expected in `symphony %s`"):format(line.entity, line.attribute, line.command), function()
        local one = seen[line]
        assert.is_true(one.fits, "it is " .. shown(one.after))
        assert.are_not.equal(shown(one.before), shown(one.after), "the action changes nothing")
      end)
    end
  end)
end
