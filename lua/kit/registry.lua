--- The extensions there are, and which one a name means: the project's (where trusted), then the user's, then
--- what is installed from elsewhere, then the bundled one; in a bundled melody always the bundled one.
--- Manifests are read when asked for.
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local sources = require "kit.sources"
local suggest = require "kit.suggest"
local view = require "kit.package.view"

local M = {}

local BUNDLED = "extensions/"

---@class ExtensionEntry
---@field name string "git", "acme/textkit"
---@field origin "project"|"user"|"installed"|"bundled"
---@field dir string? its folder; nil when embedded
---@field prefix string? where it is embedded
---@field file string its manifest, for messages
---@field place Place? where it was looked for
---@field package UsedPackage? what is installed from elsewhere
---@field packages UsedPackage[]? once loaded: what it depends on

---@class Registry
local Registry = {}
Registry.__index = Registry

--- The name a manifest gives, without checking the rest.
local function peek_name(text)
  local body = text:match("%[extension%](.*)$") or text
  return body:match('\n%s*name%s*=%s*"([^"]+)"') or body:match("\n%s*name%s*=%s*'([^']+)'")
end

local function add(into, entry)
  if entry.name and not into[entry.name] then into[entry.name] = entry end
end

local function bundled()
  local found = {}
  for _, file in ipairs(require("sy.core").embedded(BUNDLED)) do
    local prefix = file.path:match("^(.*/)Symphony%.toml$")
    if prefix then
      add(found, { name = peek_name(file.data) or paths.name(prefix), origin = "bundled", prefix = prefix,
        file = file.path, text = file.data })
    end
  end
  return found
end

local function add_folder(found, dir, origin, shown)
  local file = paths.join(dir, "Symphony.toml")
  local st = paths.stat(file, false)
  if not st or st.type ~= "file" then return false end
  local text = paths.read(file)
  if not text then return false end
  add(found, { name = peek_name(text) or paths.name(dir), origin = origin, dir = dir,
    file = shown .. "/Symphony.toml", text = text })
  return true
end

--- DIR/*/Symphony.toml and DIR/*/*/Symphony.toml.
local function folders(root, origin, shown)
  local found = {}
  for _, name in ipairs(paths.names(root) or {}) do
    local dir = paths.join(root, name)
    if name:sub(1, 1) ~= "." and paths.kind(dir) == "directory"
      and not add_folder(found, dir, origin, shown .. "/" .. name) then
      for _, inner in ipairs(paths.names(dir) or {}) do
        add_folder(found, paths.join(dir, inner), origin, ("%s/%s/%s"):format(shown, name, inner))
      end
    end
  end
  return found
end

--- What is installed from elsewhere; read when it is loaded.
local function installed(of)
  local found = {}
  for _, name in ipairs(of:names()) do
    local used, why = of:get(name)
    local dir = used and view.dir(used)
    add(found, { name = name, origin = "installed", dir = dir, package = used, failure = why,
      file = dir and paths.join(dir, "Symphony.toml") or name })
  end
  return found
end

--- Finds what is there. What the project has but is not trusted for is `withheld`: named, never loaded.
---@param place? Place
---@param options? { bundled_only: boolean?, reading: boolean? } reading: only manifests are
---looked at, so trust does not matter
---@return Registry
function M.new(place, options)
  local self = setmetatable({ layers = {}, entries = {}, withheld = {} }, Registry)
  if not (options and options.bundled_only) then
    local own = place and folders(paths.join(place.dir, "extensions"), "project", "extensions")
    if place and (place.trusted or options and options.reading) then
      self.layers[#self.layers + 1] = own
    elseif place then
      self.withheld = own
    end
    self.layers[#self.layers + 1] = folders(paths.join(person.data_dir(), "extensions"), "user",
      paths.join(person.data_dir(), "extensions"))
    self.view = view.of(place)
    self.layers[#self.layers + 1] = installed(self.view)
  end
  self.layers[#self.layers + 1] = bundled()
  for _, layer in ipairs(self.layers) do
    for _, entry in pairs(layer) do entry.view, entry.place = self.view, place end
  end
  return self
end

--- Every name with what it means, sorted.
---@return ExtensionEntry[]
function Registry:all()
  local names, meant = {}, {}
  for _, layer in ipairs(self.layers) do
    for name, entry in pairs(layer) do
      if not meant[name] then
        meant[name] = entry
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = meant[name] end
  return list
end

--- The Lua files of an entry; of what is installed the manifest's text, too.
local function files_of(entry)
  if entry.failure then return nil, entry.failure end
  if entry.prefix then return sources.embedded(entry.prefix) end
  if not entry.package then return sources.folder(entry.dir) end
  local code, text = view.sources(entry.package)
  if not code then return nil, text end
  entry.text = text
  return code
end

--- What it depends on, where that is installed.
local function packages_of(entry, read)
  if next(read.dependencies) == nil or not entry.view then return {} end
  return entry.view:reach(entry.name, read.dependencies)
end

--- Reads an entry's manifest and sources, once.
---@param entry ExtensionEntry
---@return ExtensionEntry?, Problem[]?
function M.load(entry)
  if entry.manifest then return entry end
  local files, why = files_of(entry)
  if not files and not entry.text then return nil, { why } end
  local read, problems = manifest.read(entry.text, entry.file)
  if not read then return nil, problems end
  if not files then return nil, { why } end
  for name in pairs(files) do
    if not name:match("%.lua$") or name:match("^spec/") then files[name] = nil end
  end
  if next(read.operation) and not files[read.extension.entry] then
    return nil, { problem.new("manifest_invalid", ("its entry %s is not there"):format(read.extension.entry),
      { file = entry.file }) }
  end
  local packages, unmet = packages_of(entry, read)
  if not packages then return nil, { unmet } end
  entry.manifest, entry.sources, entry.packages = read, files, packages
  entry.code_hash = view.code_hash(sources.hash(files, entry.text), packages)
  return entry
end

local function names_of(list)
  local names = {}
  for i, entry in ipairs(list) do names[i] = entry.name end
  return names
end

--- The extensions of a project itself, whether it is trusted or not, sorted by name.
---@param place Place
---@return ExtensionEntry[]
function M.own(place)
  local list = {}
  for _, entry in pairs(folders(paths.join(place.dir, "extensions"), "project", "extensions")) do
    entry.place = place
    list[#list + 1] = entry
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- Only the manifest of an entry.
---@param entry ExtensionEntry
---@return table? manifest
---@return Problem[]? problems
function M.manifest(entry)
  return manifest.read(entry.text, entry.file)
end

--- What a name means, with its manifest.
---@param name string
---@return ExtensionEntry?, Problem?
function Registry:extension(name)
  for _, layer in ipairs(self.layers) do
    local entry = layer[name]
    if entry then
      local loaded, problems = M.load(entry)
      if not loaded then return nil, problems[1] end
      return loaded
    end
  end
  if self.withheld[name] then
    return problem.fail("not_trusted", ("%s belongs to this project, which is not trusted"):format(
      self.withheld[name].file), { hint = "symphony trust   lets it run; read it first" })
  end
  return problem.fail("not_found", ("there is no extension `%s`"):format(name),
    { hint = suggest.hint(name, names_of(self:all())) or "symphony ext ls   lists them" })
end

--- "git.diff" → "git", "diff".
---@param name string
---@return string?, string?
function M.split(name)
  return name:match("^([^%.]+)%.([a-z][a-z0-9_]*)$")
end

local function operation_names(entry)
  local names = {}
  for name in pairs(entry.manifest.operation) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function unknown(name, hint)
  return problem.fail("unknown_operation", ("there is no operation `%s`"):format(name), { hint = hint })
end

--- What "extension.operation" means.
---@param name string
---@return { extension: ExtensionEntry, name: string, declared: table }?
---@return Problem?
function Registry:operation(name)
  local extension, operation = M.split(name)
  if not extension then return unknown(name, "operations are written extension.operation, such as git.diff") end
  local entry, why = self:extension(extension)
  if not entry then
    if why.code == "not_found" then return unknown(name, why.hint) end
    return nil, why
  end
  local declared = entry.manifest.operation[operation]
  if declared then return { extension = entry, name = operation, declared = declared } end
  local near = suggest.hint(operation, operation_names(entry))
  return unknown(name, near and near:gsub("`", "`" .. extension .. ".", 1)
    or ("symphony ext show %s   lists its operations"):format(extension))
end

--- The names of an extension's operations, sorted.
---@param entry ExtensionEntry
---@return string[]
function M.operation_names(entry)
  return operation_names(entry)
end

return M
