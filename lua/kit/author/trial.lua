--- Whether a new state of an extension can be used: its manifest and code hold, it loads in an isolate with its grants,
--- has the operations it declares, and passes its tests where these are asked for.
local excerpt = require "kit.author.excerpt"
local isolate = require "sy.isolate"
local modules = require "kit.author.modules"
local problem = require "kit.problem"
local registry = require "kit.registry"
local review = require "kit.author.review"
local suite = require "kit.author.suite"
local target = require "kit.author.target"
local view = require "kit.package.view"

local M = {}

local OPERATIONS = "operations"

--- Wraps the entry, so that the isolate answers which of its functions are there.
local WRAP = [[
return { operations = function()
  local there = {}
  for name, value in pairs(require(%q)) do there[tostring(name)] = type(value) end
  return there
end }]]

local function entry_module(loaded)
  return (loaded.manifest.extension.entry:gsub("%.lua$", ""):gsub("/", "."))
end

--- Runs the code once and asks what it returned.
local function load_once(loaded, files)
  local guest, err = isolate.new {
    name = loaded.name, source = WRAP:format(entry_module(loaded)), chunk = OPERATIONS, profile = "extension",
    module = function(name)
      if name:find("[/:]") then return modules.of(files, {})(name) end
      local path = name:gsub("%.", "/")
      for _, ending in ipairs { ".lua", "/init.lua" } do
        if files[path .. ending] then return files[path .. ending], path .. ending end
      end
    end,
  }
  local there
  if guest then
    there, err = guest:call(OPERATIONS)
    guest:close()
  end
  if there then return there end
  return nil, excerpt.fill(problem.from(err, "extension_error"), files)
end

local function missing(loaded, there)
  for name in pairs(loaded.manifest.operation) do
    if there[name] ~= "function" then
      return problem.new("extension_error", ("it does not return a function `%s`"):format(name),
        { file = loaded.manifest.extension.entry, hint = ("function M.%s(input, ctx) … end"):format(name) })
    end
  end
end

--- Only what stops it.
local function errors(problems)
  local list = {}
  for _, one in ipairs(problems) do
    if one.severity ~= "warning" and one.severity ~= "note" then list[#list + 1] = one end
  end
  return list
end

--- Tries what lies in a folder now.
---@param dir string
---@param options { test: boolean?, view: PackageView? }
---@return ExtensionEntry? loaded
---@return Problem[]? problems
---@return table[]? results of its tests
function M.try(dir, options)
  local entry, why = target.folder(dir)
  if not entry then return nil, { why } end
  local _, problems = review.check(entry.text, entry.file)
  local stopping = errors(problems)
  if #stopping > 0 then return nil, stopping end
  entry.view = options.view
  local loaded, bad = registry.load(entry)
  if not loaded then return nil, bad end
  local files, unmet = view.bundle(loaded)
  if not files then return nil, { unmet } end
  local there, failed = load_once(loaded, files)
  if not there then return nil, { failed } end
  failed = missing(loaded, there)
  if failed then return nil, { failed } end
  if not options.test then return loaded end
  local results, untested = suite.run(entry)
  if not results then return nil, { untested } end
  for _, one in ipairs(results) do
    if not one.ok then return nil, {}, results end
  end
  return loaded, nil, results
end

local function same(a, b)
  local json = require "sy.json"
  return json.encode(a or json.null) == json.encode(b or json.null)
end

--- What differs between two states: operations that came, went or have another declaration, files whose text changed.
---@param old ExtensionEntry?
---@param new ExtensionEntry
---@return { added: string[], removed: string[], changed: string[], files: string[] }
function M.difference(old, new)
  local diff = { added = {}, removed = {}, changed = {}, files = {} }
  local before = old and old.manifest.operation or {}
  for name, declared in pairs(new.manifest.operation) do
    if not before[name] then
      table.insert(diff.added, name)
    elseif not same(before[name], declared) then
      table.insert(diff.changed, name)
    end
  end
  for name in pairs(before) do
    if not new.manifest.operation[name] then table.insert(diff.removed, name) end
  end
  for path, text in pairs(new.sources) do
    if old and old.sources[path] ~= text then table.insert(diff.files, path) end
  end
  for path in pairs(old and old.sources or {}) do
    if not new.sources[path] then table.insert(diff.files, path) end
  end
  for _, list in pairs(diff) do table.sort(list) end
  return diff
end

return M
