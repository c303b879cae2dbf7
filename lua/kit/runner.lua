--- The way of `run`: a melody is found, loaded, checked with the operations there are, stored, started, followed.
local check = require "melody.check"
local definition_of = require "melody.definition"
local install = require "kit.install"
local json = require "sy.json"
local load = require "melody.load"
local melodies = require "kit.melodies"
local null = require "kit.null"
local params_of = require "melody.params"
local pinned = require "kit.pinned"
local problem = require "kit.problem"
local registry = require "kit.registry"
local spending = require "kit.spending"
local submelodies = require "kit.submelodies"

local is_null = null.is

local M = {}

---@class Prepared
---@field melody MelodyFile
---@field definition table resolved
---@field problems Problem[] warnings, and errors when it is not ok
---@field ok boolean
---@field registry Registry
---@field ops fun(name: string): table?, string[]?

local function operation_names(found)
  local names = {}
  for _, entry in ipairs(found:all()) do
    local loaded = registry.load(entry)
    for _, name in ipairs(loaded and registry.operation_names(loaded) or {}) do
      names[#names + 1] = entry.name .. "." .. name
    end
  end
  return names
end

--- The operations of a registry as melody.check asks for them.
---@param found Registry
---@return fun(name: string): table?, string[]?, Problem? the names there are; or why one that is there cannot be used
function M.operations(found)
  local known = {}
  return function(name)
    if known[name] then return known[name] end
    local operation, why = found:operation(name)
    if not operation then
      return nil, operation_names(found), why.code ~= "unknown_operation" and why or nil
    end
    known[name] = {
      extension = operation.extension.name,
      origin = operation.extension.origin,
      operation = operation.name,
      input = operation.declared.input,
      output = operation.declared.output,
      effects = operation.declared.effects,
      capabilities = operation.extension.manifest.capabilities,
      spends = spending.may(operation.extension.manifest, operation.declared),
      estimate = operation.declared.estimate,
      estimates = spending.mentions(operation.extension.sources),
    }
    return known[name]
  end
end

--- Finds, loads and checks a melody. Nothing runs and nothing is written.
---@param place Place
---@param typed string name or path
---@param options? { reading: boolean? }
---@return Prepared?, Problem?
function M.prepare(place, typed, options)
  local melody, why = melodies.find(place, typed, options)
  if not melody then return nil, why end
  local found = registry.new(place, {
    bundled_only = melody.origin == "bundled",
    reading = options and options.reading,
  })
  local ops = M.operations(found)
  local loaded = load.text(melody.text, { file = melody.file, module = melodies.module(melody) })
  local others = M.add_melodies(place, melody, loaded, ops, options)
  local problems = check.run(loaded.definition, { ops = ops, sources = loaded.sources, problems = loaded.problems,
                                                  melodies = others })
  local ok = loaded.definition ~= nil and check.ok(problems)
  if ok then definition_of.resolve(loaded.definition, ops, others and others.ops) end
  return { melody = melody, definition = loaded.definition, problems = problems, ok = ok, registry = found, ops = ops }
end

--- Puts the melodies that a loaded one calls into its definition; what the checks have to know of them.
---@param place Place
---@param melody MelodyFile
---@param loaded melody.Loaded
---@param ops fun(name: string): table?
---@param options? { reading: boolean? }
---@return melody.Others?
function M.add_melodies(place, melody, loaded, ops, options)
  if not loaded.definition then return nil end
  local bundled
  local more = submelodies.load(place, melody, loaded.definition, ops, {
    reading = options and options.reading,
    bundled_ops = function(name)
      bundled = bundled or M.operations(registry.new(place, { bundled_only = true }))
      return bundled(name)
    end,
  })
  for _, one in ipairs(more.problems) do loaded.problems[#loaded.problems + 1] = one end
  for path, text in pairs(more.sources) do loaded.sources[path] = text end
  return more.others
end

--- The names of the extensions that a definition needs, sorted.
---@param definition table resolved
---@return string[]
function M.extensions(definition)
  local seen, names = {}, {}
  local function add(name)
    if name and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  definition_of.each_target(definition, function(target) add(target.extension) end)
  table.sort(names)
  return names
end

--- The parameters of a run, checked. Texts are read by the declared type.
---@param definition table
---@param given table<string, any>
---@param typed table<string, boolean> which are texts from the command line
---@return table? params
---@return Problem[]? problems
function M.bind(definition, given, typed)
  local values = {}
  for name, value in pairs(given) do
    local param = definition.params and definition.params[name]
    if typed[name] and param then
      local read = params_of.from_text(param, value)
      if read ~= nil then value = read end
    end
    values[name] = value
  end
  local bound, problems = params_of.bind(definition, values)
  if not bound then return nil, problems end
  return bound
end

local STORE = [[
INSERT INTO melody (id, conductor_id, project_id, name, definition, creation_source, created_at, hash, source,
  updated_at)
SELECT ?1, c.id, p.id, ?2, ?3, 'user_created', ?4, ?5, ?6, ?4 FROM conductor c, project p WHERE true
ON CONFLICT (project_id, name) DO UPDATE SET definition = excluded.definition, hash = excluded.hash,
  source = excluded.source, updated_at = excluded.updated_at, removed_at = NULL]]

local STORE_VERSION = [[
INSERT INTO melody_version (melody_id, hash, definition, created_at)
SELECT id, ?2, ?3, ?4 FROM melody WHERE name = ?1 ON CONFLICT (melody_id, hash) DO NOTHING]]

local KNOWN = [[
SELECT m.id, m.hash, m.removed_at, m.source, v.hash AS version FROM melody m
LEFT JOIN melody_version v ON v.melody_id = m.id AND v.hash = ?2 WHERE m.name = ?1]]

--- Stores a definition as the melody's current one.
---@param host table
---@param definition table
---@param hash string
---@param source string
---@return string? melody_id
---@return Problem?
function M.store(host, definition, hash, source)
  local row = host:query(KNOWN, { definition.name, hash })[1]
  if row and row.hash == hash and row.version == hash and row.source == source and is_null(row.removed_at) then
    return row.id
  end
  local text, now = definition_of.encode(definition), host:now()
  local id = row and row.id or host:new_id()
  local ok, failure, code = host:transaction {
    { STORE, { id, definition.name, text, now, hash, source } },
    { STORE_VERSION, { definition.name, hash, text, now } },
  }
  if not ok then return nil, problem.from(failure, code) end
  return host:query("SELECT id FROM melody WHERE name = ?1", { definition.name })[1].id
end

--- What is kept with the run, and decides for the whole of it.
local function kept_options(options)
  local kept = { budget = options.budget }
  if options.no_cache then kept.cache = false end
  if options.weight ~= 1 then kept.weight = options.weight end
  kept.dedupe = options.dedupe
  return kept
end

--- Starts a run of a prepared melody.
---@param host table
---@param prepared Prepared ok
---@param options { params: table, durability: string, parallel: integer, mode: string, budget: table?,
---  weight: integer?, dedupe: string? }
---@return table? run {run, number, status}
---@return Problem?
function M.start(host, prepared, options)
  local definition = prepared.definition
  local uncovered = spending.misplaced(definition, options.budget) or spending.refuse(prepared, options.budget)
  if uncovered then return nil, uncovered end
  local hash = definition_of.hash(definition)
  local ok, why = install.all(host, prepared.registry, M.extensions(definition))
  if not ok then return nil, why end
  local melody_id, bad = M.store(host, definition, hash, prepared.melody.file)
  if not melody_id then return nil, bad end
  local run, failure, code = host:start {
    definition = definition_of.encode(definition),
    melody_id = melody_id,
    version_hash = hash,
    params = options.params,
    durability = options.durability,
    parallel = options.parallel,
    mode = options.mode,
    options = kept_options(options),
  }
  if not run then return nil, problem.from(failure, code) end
  return run
end

--- Installs what a stored run needs.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration
---@param definition table the one it pinned
---@return boolean?, Problem?
function M.install(host, place, row, definition)
  local source = host:query("SELECT source FROM melody WHERE id = ?1", { row.melody_id })[1]
  local bundled = source and not is_null(source.source) and source.source:match("^lua/melodies/") ~= nil
  return install.all(host, registry.new(place, { bundled_only = bundled }), M.extensions(definition))
end

--- Installs what a stored run needs and goes on with it.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration
---@param options { retry: string?, skip: string?, result: table?, accept_code: boolean? }
---@return table? run
---@return Problem?
function M.resume(host, place, row, options)
  local definition, why = pinned.definition(host, row)
  if not definition then return nil, why end
  local misplaced = spending.misplaced(definition, options.budget)
  if misplaced then return nil, misplaced end
  local ok, bad = M.install(host, place, row, definition)
  if not ok then return nil, bad end
  local run, failure, code = host:resume {
    run = row.id,
    retry = options.retry,
    skip = options.skip,
    result = options.result,
    accept_code = options.accept_code,
    budget = options.budget and json.encode(options.budget),
  }
  if not run then return nil, problem.from(failure, code) end
  return run
end

return M
