--- Writes what a verified file holds as a run of this project. Contents and rows are put aside first, rows in a
--- temporary table; one transaction then makes the run of them, or nothing. Who refers to a row of another run is left
--- out or refused.
local hash = require "sy.hash"
local ids = require "kit.import_ids"
local import_check = require "kit.import_check"
local import_read = require "kit.import_read"
local import_sql = require "kit.import_sql"
local json = require "sy.json"
local null = require "kit.null"
local problem = require "kit.problem"
local transfer = require "kit.transfer"

local present = null.present

local M = {}

-- ---- what things are called here ----

local Here = {}
Here.__index = Here

local FIXED = [[SELECT (SELECT id FROM conductor) AS conductor, (SELECT id FROM orchestra_kit) AS kit,
(SELECT id FROM project LIMIT 1) AS project]]

local EXTENSION = [[SELECT e.id, v.id AS version FROM extension e
LEFT JOIN extension_version v ON v.extension_id = e.id AND v.version = ?2 AND v.code_hash = ?3 WHERE e.name = ?1]]

local KIND_ROWS = {
  operator = [[INSERT INTO operator (extension_id, operator_type, input_schema, output_schema)
VALUES (?1, ?2, '{}', '{}')]],
  instrument = [[INSERT INTO instrument (extension_id, model_type, model_configuration, performance_metrics)
VALUES (?1, ?2, '{}', '{}')]],
  motif = "INSERT INTO motif (extension_id, ui_components, theme_integration) VALUES (?1, '{}', '{}')",
}

--- An extension that is not known here gets a row that says so: it is removed, its code is not there.
function Here:add_extension(one)
  local id = self.host:new_id()
  local manifest = json.decode(one.manifest)
  local about = manifest[one.type]
  local what = type(about) == "table" and (about.operator_type or about.model_type) or "unknown"
  table.insert(self.steps, { [[INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type,
    installed_at, name, source, removed_at) VALUES (?1, ?2, ?3, '{}', ?4, ?5, ?6, ?7, ?5)]],
    { id, self.kit, one.manifest, one.type, self.now, one.name, one.source } })
  table.insert(self.steps, { KIND_ROWS[one.type], { id, type(what) == "string" and what or "unknown" } })
  return id
end

function Here:map_extension(one)
  local row = self.host:query(EXTENSION, { one.name, one.version, one.code_hash })[1]
  local id = row and row.id or self.added[one.name] or self:add_extension(one)
  self.added[one.name] = id
  self.extension[one.id] = id
  if row and present(row.version) then
    self.version[one.version_id] = row.version
    return
  end
  local version = self.host:new_id()
  self.version[one.version_id] = version
  table.insert(self.steps, { [[INSERT INTO extension_version (id, extension_id, version, code_hash, manifest,
    installed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)]],
    { version, id, one.version, one.code_hash, one.manifest, self.now } })
end

function Here:map_melody(parcel)
  local melody = parcel.melody
  if not melody then return end
  local row = self.host:query("SELECT id FROM melody WHERE name = ?1", { melody.name })[1]
  self.melody = row and row.id or self.host:new_id()
  if not row then
    table.insert(self.steps, { [[INSERT INTO melody (id, conductor_id, project_id, name, creation_source, created_at,
      hash, updated_at, definition) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?8)]],
      { self.melody, self.conductor, self.project, melody.name, melody.creation_source, self.now, melody.hash,
        melody.definition } })
  end
  table.insert(self.steps, { [[INSERT INTO melody_version (melody_id, hash, created_at, definition)
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING]], { self.melody, melody.hash, self.now, melody.definition } })
end

local function here_of(host, parcel, new_ids)
  local fixed = host:query(FIXED, {})[1]
  local run = new_ids and host:new_id() or parcel.run.id
  local self = setmetatable({ host = host, now = host:now(), steps = {}, added = {}, extension = {}, version = {},
    conductor = fixed.conductor, kit = fixed.kit, project = fixed.project, run = run, old_run = parcel.run.id,
    id = ids.mapper(new_ids and run or nil) }, Here)
  for _, one in ipairs(parcel.extensions) do self:map_extension(one) end
  self:map_melody(parcel)
  return self
end

-- ---- rows ----

local OWN = { task = true, event = true, artifact = true, pit_operation = true }

--- What a reference means here; nil: nothing that the file has.
function Here:refer(kind, id)
  if OWN[kind] then return self.id(id) end
  if kind == "run" then return id == self.old_run and self.run or nil end
  if kind == "extension" then return self.extension[id] end
  if kind == "version" then return self.version[id] end
  return self[kind]
end

--- A row with its references as they are here. Columns that refer to what a file does not hold become null.
function Here:row(one, row)
  local out = {}
  for name, value in pairs(row) do
    if not present(value) then
      out[name] = json.null
    elseif one.refs[name] then
      out[name] = self:refer(one.refs[name], value) or json.null
    elseif name == "id" then
      out[name] = self.id(value)
    elseif name:match "_id$" then
      out[name] = json.null
    else
      out[name] = value
    end
  end
  if one.name == "event" then
    local pattern = "^run%." .. self.old_run:gsub("%-", "%%-") .. "(%.[%w_/%.]+)$"
    local rest = type(row.topic) == "string" and row.topic:match(pattern)
    if not rest then return nil end
    out.topic = "run." .. self.run .. rest
  end
  return out
end

local STAGE = "INSERT INTO temp.import_chunk (kind, content) VALUES (?1, ?2)"
local STAGE_BYTES = "INSERT INTO temp.import_bytes (kind, value, bytes) VALUES (?1, ?2, CAST(?3 AS BLOB))"

--- Rows with bytes, which JSON does not hold: one each.
function Here:stage_bytes(one, rows)
  local steps = {}
  for i, row in ipairs(rows) do
    local here = self:row(one, row)
    local text = here[one.bytes]
    local bytes = type(text) == "string" and hash.unbase64(text)
    if not bytes then return import_check.refuse(("a row of %s has no `%s`"):format(one.name, one.bytes)) end
    here[one.bytes] = nil
    steps[i] = { STAGE_BYTES, { one.name, json.encode(here), bytes } }
  end
  local ok, failure, code = self.host:transaction(steps)
  if not ok then return nil, problem.from(failure, code) end
  return true
end

function Here:stage(kind, rows)
  local one
  for _, entry in ipairs(transfer.TABLES) do
    if entry.name == kind then one = entry end
  end
  if one.bytes then return self:stage_bytes(one, rows) end
  local list = json.array {}
  for i, row in ipairs(rows) do
    list[i] = self:row(one, row)
    if not list[i] then return import_check.refuse "an event belongs to another run" end
  end
  local ok, failure, code = self.host:write(STAGE, { kind, json.encode(list) })
  if not ok then return nil, problem.from(failure, code) end
  return true
end

local function keep_blob(host)
  return function(file, expected)
    local stored, message, code = file:store(host)
    if not stored then return nil, problem.from(message, code) end
    if stored ~= expected then return import_check.refuse "a content is not what it was" end
    return true
  end
end

-- ---- the transaction ----

-- A parent is a task of the same run.
local PARENTS = [[UPDATE task SET parent_task_id = ?2 WHERE pipeline_orchestration_id = ?1 AND key <> ''
AND parent_task_id NOT IN (SELECT id FROM task WHERE pipeline_orchestration_id = ?1)]]

local function all_steps(here, parcel)
  local steps = here.steps
  steps[#steps + 1] = import_sql.run(here, parcel)
  for _, one in ipairs(transfer.TABLES) do steps[#steps + 1] = { import_sql.rows(here.host, one), { here.run } } end
  steps[#steps + 1] = { PARENTS, { here.run, here.id(parcel.run.root_task_id) } }
  return steps
end

local function written(here, parcel)
  local ok, failure, code = here.host:transaction(all_steps(here, parcel))
  if ok then return true end
  local why = problem.from(failure, code)
  if why.message:find("constraint failed", 1, true) or why.message:find("cannot store", 1, true) then
    return import_check.refuse("its parts do not fit together (" .. why.message:gsub("^.*: ", "") .. ")")
  end
  return nil, why
end

--- Makes the run. `new_ids`: some of the file's ids are taken here.
---@param host table
---@param parcel Parcel verified
---@param new_ids boolean
---@return { id: string, number: integer }? run
---@return Problem?
function M.write(host, parcel, new_ids)
  local here = here_of(host, parcel, new_ids)
  local ok, why = host:transaction {
    { "DROP TABLE IF EXISTS temp.import_chunk" },
    { "CREATE TEMP TABLE import_chunk (kind TEXT NOT NULL, content TEXT NOT NULL)" },
    { "DROP TABLE IF EXISTS temp.import_bytes" },
    { "CREATE TEMP TABLE import_bytes (kind TEXT NOT NULL, value TEXT NOT NULL, bytes BLOB NOT NULL)" },
  }
  if not ok then return nil, problem.from(why) end
  ok, why = import_read.again(parcel, host, function(kind, rows) return here:stage(kind, rows) end, keep_blob(host))
  if ok then ok, why = written(here, parcel) end
  host:write("DROP TABLE IF EXISTS temp.import_chunk")
  host:write("DROP TABLE IF EXISTS temp.import_bytes")
  if not ok then return nil, why end
  return host:query("SELECT id, number FROM pipeline_orchestration WHERE id = ?1", { here.run })[1]
end

return M
