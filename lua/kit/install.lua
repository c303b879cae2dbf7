--- Puts extensions that a melody needs before the engine: their rows in the database, and the C registry.
--- Rows are written only when something changed; a run's tasks refer to the version row.
local chore = require "kit.chore"
local gate = require "kit.grants.gate"
local isolation = require "kit.isolation"
local json = require "sy.json"
local lifecycle = require "kit.lifecycle"
local null = require "kit.null"
local problem = require "kit.problem"
local spending = require "kit.spending"
local view = require "kit.package.view"

local is_null = null.is

local M = {}

local UPSERT_EXTENSION = [[
INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, installed_at, name, source, path,
                       extension_version_id)
SELECT ?1, orchestra_kit.id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM orchestra_kit WHERE true
ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest, capabilities = excluded.capabilities,
  source = excluded.source, path = excluded.path, extension_version_id = excluded.extension_version_id,
    removed_at = NULL]]

local ADD_VERSION = [[
INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (extension_id, version, code_hash) DO NOTHING]]

local UPSERT_KIND = {
  operator = [[
INSERT INTO operator (extension_id, operator_type, input_schema, output_schema) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (extension_id) DO UPDATE SET operator_type = excluded.operator_type,
  input_schema = excluded.input_schema, output_schema = excluded.output_schema]],
  instrument = [[
INSERT INTO instrument (extension_id, model_type, model_configuration, performance_metrics) VALUES (?1, ?2, ?3, '{}')
ON CONFLICT (extension_id) DO UPDATE SET model_type = excluded.model_type,
  model_configuration = excluded.model_configuration]],
  motif = [[
INSERT INTO motif (extension_id, ui_components, theme_integration) VALUES (?1, ?2, ?3)
ON CONFLICT (extension_id) DO UPDATE SET ui_components = excluded.ui_components,
  theme_integration = excluded.theme_integration]],
}

local function object(map)
  if next(map) == nil then return "{}" end
  return json.encode(map)
end

--- The capabilities as they are stored: what may be listed is a list, also when nothing is.
local function capabilities(manifest)
  local map = {}
  for name, value in pairs(manifest.capabilities) do
    map[name] = type(value) == "table" and json.array(table.move(value, 1, #value, 1, {})) or value
  end
  return object(map)
end

local function schemas(manifest, part)
  local map = {}
  for name, operation in pairs(manifest.operation) do map[name] = operation[part] end
  return object(map)
end

local function kind_row(manifest, id)
  local kind = manifest.extension.type
  if kind == "operator" then
    return { id, manifest.operator.operator_type, schemas(manifest, "input"), schemas(manifest, "output") }
  elseif kind == "instrument" then
    return { id, manifest.instrument.model_type, object(manifest.instrument.model_configuration) }
  end
  return { id, object(manifest.motif.ui_components), object(manifest.motif.theme_integration) }
end

--- The row of an extension with the version in use, or nil.
local function known(host, entry)
  return host:query([[
SELECT e.id, e.extension_type, e.removed_at, e.source, e.extension_version_id AS in_use, v.id AS version_id
FROM extension e LEFT JOIN extension_version v ON v.extension_id = e.id AND v.version = ?2 AND v.code_hash = ?3
WHERE e.name = ?1]], { entry.name, entry.manifest.extension.version, entry.code_hash })[1]
end

--- The column `source` of an entry: what is installed came from elsewhere.
local function source_of(entry)
  return entry.origin == "installed" and "store" or entry.origin
end

--- Whether the row says already what the entry says.
local function current(row, entry)
  return row and not is_null(row.version_id) and row.in_use == row.version_id and is_null(row.removed_at)
    and row.source == source_of(entry)
end

local function write_rows(host, entry, row, about)
  local manifest, now = entry.manifest, host:now()
  if row and row.extension_type ~= manifest.extension.type then
    return problem.fail("manifest_invalid",
      ("%s was of type %s; a name keeps its type"):format(entry.name, row.extension_type),
      { file = entry.file, hint = "give it another name" })
  end
  local id = row and row.id or host:new_id()
  local version_id = row and not is_null(row.version_id) and row.version_id or host:new_id()
  local text = json.encode(manifest)
  local steps = {
    { UPSERT_EXTENSION, { id, text, capabilities(manifest), manifest.extension.type, now, entry.name,
      source_of(entry),
      entry.dir or json.null, version_id } },
    { UPSERT_KIND[manifest.extension.type], kind_row(manifest, id) },
    { ADD_VERSION, { version_id, id, manifest.extension.version, entry.code_hash, text, now } },
  }
  local action = about or row and "update" or "install"
  return chore.run(host, {
    type = "extension_activation",
    operation = "host.kit",
    payload = { action = action, extension = entry.name,
      version = manifest.extension.version, code_hash = entry.code_hash },
  }, function()
    local ok, failure, code = host:transaction(steps)
    if not ok then return nil, problem.from(failure, code) end
    lifecycle.tell(host, id, action, { name = entry.name, version = manifest.extension.version })
    return { id = id, version_id = version_id }
  end)
end

local function description(entry, ids, bundled, granted)
  local operations = {}
  for name, declared in pairs(entry.manifest.operation) do
    operations[name] = {
      effects = declared.effects,
      idempotent = declared.idempotent,
      cache = declared.cache,
      reads = declared.reads and #declared.reads > 0 and declared.reads or nil,
      spends = spending.may(entry.manifest, declared),
      estimates = spending.mentions(entry.sources),
      estimate = declared.estimate,
      input = declared.input,
      output = declared.output,
    }
  end
  return {
    id = ids.id,
    version_id = ids.version_id,
    code_hash = entry.code_hash,
    name = entry.name,
    type = entry.manifest.extension.type,
    entry = entry.manifest.extension.entry,
    capabilities = granted,
    operations = operations,
    sources = bundled,
    isolation = isolation.of(entry),
    player = entry.manifest.player,
  }
end

--- The ids of the extension's rows, written where needed. Another process may install it at the same moment: then
--- one of the two is refused, and finds what the other has written. `about` is what is done, when that is not just
--- installing or updating.
---@param host table
---@param entry ExtensionEntry loaded
---@param about? string
---@return { id: string, version_id: string }?, Problem?
function M.rows(host, entry, about)
  local ids, why
  for _ = 1, 2 do
    local row = known(host, entry)
    if current(row, entry) then return { id = row.id, version_id = row.version_id } end
    ids, why = write_rows(host, entry, row, about)
    if ids or why.code == "manifest_invalid" then break end
  end
  return ids, why
end

--- Asks whether it may, writes rows where needed and registers the extension with the host.
local function one(host, entry, steps)
  local granted, refused = gate.described(entry)
  if not granted then return nil, refused end
  local ids, why = M.rows(host, entry)
  if not ids then return nil, why end
  local bundled, changed = view.bundle(entry)
  if not bundled then return nil, changed end
  local ok, failure, code = host:register(description(entry, ids, bundled, granted))
  if not ok then why = problem.from(failure, code) end
  table.move(lifecycle.steps(host, ids.id, ok and "activated" or "error", why), 1, 2, #steps + 1, steps)
  return ok and ids or nil, why
end

--- Installs extensions: all of them, or none is activated and the first problem is told.
---@param host table
---@param entries ExtensionEntry[] loaded
---@return boolean?, Problem?
function M.entries(host, entries)
  local steps, why = {}, nil
  for _, entry in ipairs(entries) do
    local ids, bad = one(host, entry, steps)
    if not ids then
      why = bad
      break
    end
  end
  if #steps == 0 then return why == nil or nil, why end
  local ok, failure, code = host:transaction(steps)
  if not ok and not why then why = problem.from(failure, code) end
  return why == nil or nil, why
end

--- Installs each named extension.
---@param host table
---@param registry Registry
---@param names string[]
---@return boolean?, Problem?
function M.all(host, registry, names)
  local entries = {}
  for i, name in ipairs(names) do
    local entry, why = registry:extension(name)
    if not entry then return nil, why end
    entries[i] = entry
  end
  return M.entries(host, entries)
end

return M
