--- The data model of a project, a line for each attribute: what it means, which action of a user changes it, the value
--- expected after it, the command that shows it. spec/erd_spec.lua runs each line; docs/data-model.md is made of them.
---
--- A scene is a folder: `setup` has happened in it, `action` is what changes the value, `finally` lets go of what still
--- runs. A line without a command is shown by `symphony data ENTITY`; its value is the attribute of the latest row.

local CONDUCTOR = "6 of 6. The Conductor: from a prompt to the right melody on the right instruments, "
  .. "and better every day"

local M = {}

-- ---- what is expected ----

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
local STAMP = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"

local function id(value) return type(value) == "string" and value:match(UUID) ~= nil end

local function stamp(value) return type(value) == "string" and value:match(STAMP) ~= nil end

local function is(wanted)
  return function(value) return value == wanted end
end

--- The id of a row that is there.
local function refers(entity)
  return function(value, _, world)
    for _, row in ipairs(world.rows(entity)) do
      if row.id == value then return true end
    end
    return false
  end
end

--- A stamp that is not before another of the same row.
local function after(other)
  return function(value, row) return stamp(value) and stamp(row[other]) and value >= row[other] end
end

--- The value at a path of keys is `wanted`, or satisfies it.
local function at(path, wanted)
  return function(value, row, world)
    for key in path:gmatch("[^/]+") do
      if type(value) ~= "table" then return false end
      value = value[math.tointeger(tonumber(key)) or key]
    end
    if type(wanted) == "function" then return wanted(value, row, world) end
    return value == wanted
  end
end

local function all(...)
  local tests = { ... }
  return function(value, row, world)
    for _, test in ipairs(tests) do
      if not test(value, row, world) then return false end
    end
    return true
  end
end

local function positive(value) return type(value) == "number" and value > 0 end

--- The different values of a column, sorted, as one text.
local function distinct(column)
  return function(document)
    local seen, list = {}, {}
    for _, row in ipairs(document.rows) do
      if not seen[row[column]] then list[#list + 1] = row[column] end
      seen[row[column]] = true
    end
    table.sort(list)
    return table.concat(list, " ")
  end
end

local function first_row(column)
  return function(document) return document.rows[1] and document.rows[1][column], document.rows[1] end
end

local function last_event(kind, field)
  return function(lines)
    for i = #lines, 1, -1 do
      if lines[i].event_type == kind then return lines[i][field], lines[i] end
    end
  end
end

-- ---- the scenes ----

local MANIFEST = [==[
[extension]
name = "mine"
version = "0.1.0"
type = "operator"
category = "text"
description = "Says what it is told."
license = "MIT"
symphony = ">=0.1, <1"
entry = "init.lua"

[operator]
operator_type = "text"

[capabilities]
memory = "64MiB"

[operation.echo]
doc = "What it is told, and as an artifact."
effects = "none"
idempotent = true

[operation.echo.input]
type = "object"
required = ["text"]
properties.text = { type = "string" }

[operation.echo.output]
type = "object"
required = ["text", "ref"]
properties.text = { type = "string" }
properties.ref = { type = "object" }
]==]

local CODE = [[
local mine = {}

function mine.echo(input, ctx)
  return { text = input.text, ref = ctx.artifact("documentation", input.text, { name = "echo.txt" }) }
end

return mine
]]

local PAIR = [[
local m = require "melody" "pair"
local text = m:param("text", { type = "string", default = "one" })
local said = m:task("said", "mine.echo", { text = text })
local again = m:task("again", "mine.echo", { text = said.text })
m:output("text", again.text)
return m
]]

local SLOW = [[
local m = require "melody" "slow"
local wait = "while [ ! -e go ]; do sleep 0.02; done; echo held"
local held = m:task("held", "process.run", { argv = { "sh", "-c", wait } }, { timeout = "60s" })
local told = m:task("told", "mine.echo", { text = held.stdout })
m:output("text", told.text)
return m
]]

M.files = {
  ["extensions/mine/Symphony.toml"] = MANIFEST,
  ["extensions/mine/init.lua"] = CODE,
  ["melodies/pair.lua"] = PAIR,
  ["melodies/slow.lua"] = SLOW,
}

--- How a scene says that it uses the files above.
local WITH_FILES = "files"

local GIT = "git init -q . && git config user.name reader && git config user.email reader@example.org"
local HELD = [[until symphony show --json | grep -q '"status":"executing"'; do :; done]]
local KIND = [[sed -i 's/^type = "operator"/type = "%s"/; s/^\[operator\]/[%s]/; s/^operator_type.*/%s/' ]]
  .. "extensions/mine/Symphony.toml"

M.scenes = {
  opened = {
    setup = { GIT },
    action = { "symphony init" },
  },
  named = {
    setup = { GIT, "symphony init" },
    action = { "git config user.name other && git config user.email other@example.org" },
  },
  set = {
    setup = { GIT, "symphony init" },
    action = { "symphony config set run.durability process", "symphony config set events.queue 64" },
  },
  ran = {
    setup = { GIT, "symphony init", WITH_FILES },
    action = { "symphony run pair -p text=hello" },
  },
  edited = {
    setup = { GIT, "symphony init", WITH_FILES, "symphony run pair" },
    action = {
      [[sed -i 's/^version = "0.1.0"/version = "0.2.0"/; s/^memory.*/&\nfs.read = ["$PROJECT\/docs\/**"]/;]]
        .. [[ s/^operator_type = .*/operator_type = "speech"/; s/^properties.text = .*/properties.text = ]]
        .. [[{ type = "string", maxLength = 80 }/' extensions/mine/Symphony.toml]],
      [[sed -i 's/"again", "mine.echo"/"twice", "mine.echo"/' melodies/pair.lua]],
      "symphony ext permissions mine --approve",
      "symphony run pair",
    },
  },
  held = {
    setup = { GIT, "symphony init", WITH_FILES },
    action = { "symphony run slow --detach", HELD,
      "until symphony data task --where task_type=resource_allocation --json | grep -q completed; do :; done" },
    finally = { "touch go", [[until symphony show --json | grep -q '"status":"completed","tasks"']]
      .. [[ || symphony show --json | grep -q '"alive":false'; do :; done]] },
  },
  killed = {
    setup = { GIT, "symphony init", WITH_FILES },
    action = { '"$SYMPHONY" run slow --quiet & pid=$!; ' .. HELD .. "; kill -9 $pid; touch go; wait $pid || true",
      "symphony resume || test $? = 5" },
  },
  verified = {
    setup = { GIT, "symphony init", WITH_FILES, "symphony run pair" },
    action = { "symphony artifact verify" },
  },
  collected = {
    setup = { GIT, "symphony init", WITH_FILES, "symphony run pair" },
    action = { "symphony artifact gc" },
  },
  broken = {
    setup = { GIT, "symphony init", WITH_FILES, "symphony run pair" },
    action = { [[echo 'error("no")' > extensions/mine/init.lua]], "symphony run pair || test $? = 1" },
  },
  rested = {
    setup = { GIT, "symphony init", WITH_FILES },
    action = { "symphony ext pause mine" },
  },
  instrument = {
    setup = { GIT, "symphony init", WITH_FILES,
      KIND:format("instrument", "instrument", 'model_type = "llm"\\n'
        .. "model_configuration = { models = { small = { context = 4096 } } }") },
    action = { "symphony call mine.echo -p text=hello" },
  },
  motif = {
    setup = { GIT, "symphony init", WITH_FILES,
      KIND:format("motif", "motif", 'ui_components = { panel = { title = "Mine" } }\\n'
        .. 'theme_integration = { accent = "blue" }') },
    action = { "symphony call mine.echo -p text=hello" },
  },
}

-- ---- the entities, in the model's order ----

M.entities = {
  { "user", "The person; one row of user.db, copied into each project." },
  { "prompt", "What a person asked for in words." },
  { "conductor", "Who chooses melodies and extensions: one row." },
  { "melody", "A workflow by its name; every definition it had is in melody_version." },
  { "project", "The folder Symphony works in." },
  { "task", "One call of an operation, or something the host does itself." },
  { "orchestra_kit", "What manages extensions: one row." },
  { "extension", "One row for each name, for ever." },
  { "instrument", "An extension that is a model." },
  { "operator", "An extension that does things." },
  { "motif", "An extension of the user interface." },
  { "event", "What happened, in the order of commits." },
  { "artifact", "One production of a content." },
  { "pit_operation", "A decision of the engine's five members." },
  { "pipeline_orchestration", "A run of a melody." },
}

--- Attributes that a later issue brings to life.
M.later = {
  ["prompt.id"] = CONDUCTOR,
  ["prompt.user_id"] = CONDUCTOR,
  ["prompt.content"] = CONDUCTOR,
  ["prompt.context"] = CONDUCTOR,
  ["prompt.created_at"] = CONDUCTOR,
  ["conductor.rl_model_state"] = CONDUCTOR,
  ["conductor.training_data"] = CONDUCTOR,
}

--- Values of living attributes that a later issue brings.
M.later_values = {
  ["melody.creation_source"] = { value = "conductor_generated", issue = CONDUCTOR },
  ["pipeline_orchestration.orchestration_type"] = { value = "maestro_rl", issue = CONDUCTOR },
}

-- ---- the lines ----

M.lines = {}

local function line(attribute, meaning, scene, expected, command, pick)
  local entity, name = attribute:match("^(.-)%.(.*)$")
  table.insert(M.lines, { entity = entity, attribute = name, meaning = meaning, scene = scene, expected = expected,
    command = command or "data " .. entity, pick = pick })
end

local function prompts(list)
  for _, pair in ipairs(list) do line("prompt." .. pair[1], pair[2]) end
end

line("user.id", "who it is, the same in every project", "opened", id)
line("user.name", "git's user.name, else the login name", "named", is "other")
line("user.email", "git's user.email, else ''", "named", is "other@example.org")
line("user.preferences", "the effective settings at the last opening", "set", at("run.durability", "process"))
line("user.created_at", "when the person first used a project", "opened", stamp)

prompts { { "id", "which prompt" }, { "user_id", "who asked" }, { "content", "the words" },
  { "context", "what was open and chosen" }, { "created_at", "when" } }

line("conductor.id", "made with the database, the same for ever", "opened", id)
line("conductor.rl_model_state", "what it has learned")
line("conductor.orchestration_strategies", "who decides, and how many runs each way has ended", "ran",
  all(at("active", "manual"), at("runs/manual", 1)))
line("conductor.performance_metrics", "runs by how they ended, their time and cost", "ran",
  all(at("runs", 1), at("completed", 1), at("seq", positive), at("as_of", stamp)))
line("conductor.training_data", "what it learns from")
line("conductor.event_router_config", "how events wait for those who follow", "set",
  all(at("queue_events", 64), at("overflow", "replay")))

line("melody.id", "one for each name in a project", "ran", id)
line("melody.conductor_id", "the conductor", "ran", refers "conductor")
line("melody.project_id", "the project it belongs to", "ran", refers "project")
line("melody.name", "what people call it", "ran", is "pair")
line("melody.definition", "its present definition", "edited", at("tasks/2/key", "twice"))
line("melody.creation_source", "user_created or conductor_generated", "ran", is "user_created")
line("melody.execution_history", "the last 100 runs and totals", "edited",
  all(at("totals/completed", 2), at("runs/2/number", 2), at("runs/2/status", "completed"),
    at("runs/2/run", refers "pipeline_orchestration")))
line("melody.created_at", "when it first ran here", "ran", stamp)

line("project.id", "which project", "opened", id, "projects", function(document, world)
  for _, one in ipairs(document.projects) do
    if one.path == world.dir then return one.id, one end
  end
end)
line("project.user_id", "whose it is", "opened", refers "user")
line("project.name", "the folder's name", "opened", function(value, _, world) return value == world.name end)
line("project.configuration", "the effective settings at the last opening", "set", at("run.durability", "process"))
line("project.created_at", "when it was first opened", "opened", stamp)

line("task.id", "which task", "ran", id)
line("task.conductor_id", "the conductor", "ran", refers "conductor")
line("task.extension_id", "who produced the outcome", "ran", refers "extension")
line("task.melody_id", "the melody; NULL for what the host does itself", "ran", refers "melody",
  "data task --where key=again")
line("task.task_type", "extension_activation, resource_allocation or artifact_processing", "held",
  is "extension_activation resource_allocation", "data task", distinct "task_type")
line("task.task_type", "… artifact_processing: what the host does with artifacts", "collected",
  is "artifact_processing", "data task --where operation=host.artifacts")
line("task.task_payload", "its input, or where that lies when it is over 8 KiB", "ran", at("text", "hello"),
  "data task --where key=again")
line("task.task_status", "pending, dispatched, executing, completed or failed", "held", is "executing", "show",
  function(document) return document.tasks and document.tasks[1].status, document.tasks and document.tasks[1] end)
line("task.execution_context", "attempts, stage, CPU time, the largest memory", "ran",
  all(at("attempts", 1), at("cpu_ms", positive), at("peak_bytes", positive)), "data task --where key=said")
line("task.created_at", "when it came to be", "ran", stamp, "data task --where key=said")
line("task.dispatched_at", "when its turn came", "ran", after "created_at", "data task --where key=said")
line("task.completed_at", "when it ended, well or not", "ran", after "dispatched_at", "data task --where key=said")

line("orchestra_kit.id", "made with the database, the same for ever", "opened", id)
line("orchestra_kit.version", "the program that opened the project last", "opened",
  function(value, _, world) return value == world.version end)
line("orchestra_kit.configuration", "settings of the host, of runs and of artifacts", "set",
  at("run.durability", "process"))
line("orchestra_kit.extension_registry", "the extensions installed here", "edited",
  at("installed/1", function(one) return one.name == "mine" and one.version == "0.2.0" end))
line("orchestra_kit.security_context", "what is granted to whom; everything else is denied", "edited",
  all(at("default", "deny"), at("grants/mine/fs.read/1", "$PROJECT/docs/**"),
    at("decisions/mine/how", "ext permissions")))
line("orchestra_kit.performance_state", "the isolates, time and memory of the host that wrote last", "ran",
  all(at("isolates/made", positive), at("isolates/limit", 1000), at("peak_rss_bytes", positive), at("runs_ended", 1),
    at("session", refers "session"), at("as_of", stamp)))
line("orchestra_kit.task_queue", "tasks that wait: depth of each extension, the 100 oldest", "killed",
  all(at("depth", 2), at("extensions/process", 1), at("extensions/mine", 1), at("oldest/1/key", "held"),
    at("oldest/1/id", refers "task")))

local MINE = "data extension --where name=mine"

line("extension.id", "one for each name, for ever", "ran", id, MINE)
line("extension.orchestra_kit_id", "the kit", "ran", refers "orchestra_kit", MINE)
line("extension.manifest", "its Symphony.toml", "edited", at("extension/version", "0.2.0"))
line("extension.capabilities", "what it may do", "edited", at("fs.read/1", "$PROJECT/docs/**"))
line("extension.extension_type", "instrument, operator or motif", "instrument", is "instrument")
line("extension.lifecycle_state",
  "installed, loaded, activated, running, paused or error: the furthest of a living host", "held", is "running",
  "data extension --where name=process")
line("extension.lifecycle_state", "… error: its code cannot be loaded", "broken", is "error", "ext ls",
  function(document)
    for _, one in ipairs(document.extensions) do
      if one.name == "mine" then return one.state, one end
    end
  end)
line("extension.lifecycle_state", "… paused: a person said so", "rested", is "paused", MINE)
line("extension.installed_at", "when it first was", "ran", stamp, MINE)

line("instrument.extension_id", "the extension", "instrument", refers "extension")
line("instrument.model_type", "llm, vision, audio, …", "instrument", is "llm")
line("instrument.model_configuration", "its models", "instrument", at("models/small/context", 4096))
line("instrument.performance_metrics", "of each model the calls of its window: how many, how many failed, p95",
  "instrument", all(at("players/mine/calls", 1), at("players/mine/failed", 0), at("as_of", stamp)))

line("operator.extension_id", "the extension", "ran", refers "extension")
line("operator.operator_type", "file, git, data, …", "edited", is "speech")
line("operator.input_schema", "by operation", "edited", at("echo/properties/text/maxLength", 80))
line("operator.output_schema", "by operation", "edited", at("echo/properties/text/maxLength", 80))

line("motif.extension_id", "the extension", "motif", refers "extension")
line("motif.ui_components", "what it draws", "motif", at("panel/title", "Mine"))
line("motif.theme_integration", "its colours", "motif", at("accent", "blue"))

line("event.id", "which event", "ran", id, "events", last_event("run.completed", "id"))
line("event.task_id", "what it is about", "ran", refers "task", "events", last_event("artifact_produced", "task"))
line("event.extension_id", "who told it", "ran", refers "extension", "data event --where event_type=artifact_produced")
line("event.event_type", "task_started, artifact_produced, error_occurred, resource_allocated, or area.name", "ran",
  is "artifact_produced", "events", last_event("artifact_produced", "event_type"))
line("event.event_payload", "what there is to say", "ran", all(at("key", "again"), at("size", 5)), "events",
  last_event("artifact_produced", "payload"))
line("event.event_context", "the host, its thread and the attempt", "ran",
  all(at("host", refers "session"), at("attempt", 1)), "data event --where event_type=artifact_produced")
line("event.occurred_at", "when", "ran", stamp, "events", last_event("run.completed", "occurred_at"))

local SHOWN = "artifact show"

line("artifact.id", "which production", "ran", id, SHOWN)
line("artifact.event_id", "the event that produced it", "ran", refers "event")
line("artifact.extension_id", "who made it", "ran", refers "extension")
line("artifact.melody_id", "in which melody", "ran", refers "melody")
line("artifact.artifact_type", "code, documentation, test, config, …", "ran", is "documentation", SHOWN,
  function(document) return document.type, document end)
line("artifact.content_hash", "SHA-256 of the content", "ran",
  is "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", SHOWN,
  function(document) return document.hash, document end)
line("artifact.metadata", "what its maker says of it", "ran", at("name", "echo.txt"), SHOWN,
  function(document) return document.metadata, document end)
line("artifact.quality_metrics", "what named judges measured", "verified",
  all(at("1/judge", "schema"), at("1/verdict", "valid"), at("2/judge", "verify"), at("2/verdict", "intact"),
    at("2/value", 1), at("2/at", stamp)), SHOWN, function(document) return document.quality, document end)
line("artifact.created_at", "when", "ran", stamp, SHOWN)

line("pit_operation.id", "which decision", "ran", id)
line("pit_operation.task_id", "what it was about", "ran", refers "task")
line("pit_operation.operation_type",
  "pool_allocation, dag_tracking, artifact_storage, arbitration or stale_management", "collected",
  is "arbitration artifact_storage dag_tracking pool_allocation stale_management", "data pit_operation",
  distinct "operation_type")
line("pit_operation.operation_context", "the decision and its reasons", "ran",
  all(at("decision", "run_finished"), at("status", "completed"), at("tasks", 2)))
line("pit_operation.resource_allocations", "what it took: bytes, CPU time, slots", "ran", at("bytes", positive),
  "data pit_operation --where operation_type=artifact_storage", first_row "resource_allocations")
line("pit_operation.performed_at", "when", "ran", stamp)

line("pipeline_orchestration.id", "RUN", "ran", id, "show", function(document) return document.run, document end)
line("pipeline_orchestration.conductor_id", "the conductor", "ran", refers "conductor")
line("pipeline_orchestration.melody_id", "what runs; NULL: one operation, called by itself", "ran", refers "melody")
line("pipeline_orchestration.task_dag", "nodes and edges", "edited",
  all(at("nodes/2/key", "twice"), at("edges/1/1", "said"), at("edges/1/3", "hard")))
line("pipeline_orchestration.execution_sequence", "the tasks in an order that respects the edges", "edited",
  all(at("1", "said"), at("2", "twice")))
line("pipeline_orchestration.orchestration_type", "manual or maestro_rl", "ran", is "manual", "show",
  function(document) return document.orchestration_type, document end)

return M
