--- The melodies that a melody calls with `sub`: found by name, loaded, and put into its definition, so that a run is
--- pinned to all of them. Inside a bundled melody a name means the bundled one.
local load = require "melody.load"
local melodies = require "kit.melodies"
local problem = require "kit.problem"

local M = {}

---@class Loading
---@field project Place
---@field top MelodyFile
---@field definition table of the top
---@field found table<string, table> definitions by resolved name
---@field files table<string, MelodyFile> by resolved name
local Loading = {}
Loading.__index = Loading

local function same(a, b)
  return a.origin == b.origin and a.file == b.file or a.path ~= nil and a.path == b.path
end

--- The name under which a melody stands in the definition: its own, or ORIGIN:NAME where that is taken by another.
function Loading:resolved(name, file)
  local taken = self.files[name]
  if not taken or same(taken, file) then return name end
  return file.origin .. ":" .. name
end

function Loading:take(resolved, file)
  local loaded = load.text(file.text, { file = file.file, module = melodies.module(file) })
  for _, one in ipairs(loaded.problems) do self.problems[#self.problems + 1] = one end
  for path, text in pairs(loaded.sources) do self.sources[path] = text end
  if not loaded.definition then return end
  self.found[resolved] = loaded.definition
  self:follow(loaded.definition, file.origin == "bundled")
end

--- Finds one by name; its resolved name, or nil.
function Loading:find(name, bundled_only)
  local file, why = melodies.find(self.project, name, { reading = self.reading, bundled_only = bundled_only })
  if not file then
    self.why[name] = why
    return nil
  end
  local resolved = self:resolved(name, file)
  if self.files[resolved] then return resolved end
  self.files[resolved] = file
  if same(file, self.top) then
    self.found[resolved] = self.definition
  else
    self:take(resolved, file)
  end
  return resolved
end

--- Resolves every `sub` of a definition.
function Loading:follow(definition, bundled_only)
  for _, task in ipairs(definition.tasks) do
    local brought = task.verb == "sub" and self.brought[task.melody]
    if task.verb == "sub" and type(task.melody) == "string" and not brought then
      local name = task.melody:gsub("^%a+:", "")
      task.melody = self:find(name, bundled_only) or task.melody
    end
  end
end

--- A definition as it stands in another one.
local function inner(definition)
  local copy = {}
  for key, value in pairs(definition) do copy[key] = value end
  copy.melodies = nil
  return copy
end

local function names_of(place)
  local names = {}
  for i, entry in ipairs(melodies.list(place)) do names[i] = entry.name end
  return names
end

--- What operations mean inside a sub-melody. A run has one extension of a name: where a bundled melody means another
--- than the melody that calls it, that is said.
local function operations(self, ops, bundled_ops)
  return function(name)
    local file = self.files[name]
    if not file or file.origin ~= "bundled" or self.top.origin == "bundled" then return ops end
    return function(operation)
      local own, outer = bundled_ops(operation), ops(operation)
      if not own or not outer or own.origin == outer.origin then return bundled_ops(operation) end
      return nil, nil, problem.new("melody_invalid",
        ("the bundled melody `%s` needs the bundled `%s`, and here that is the %s's"):format(name, own.extension,
          outer.origin), { hint = ("symphony ext show %s   tells which one is meant"):format(own.extension) })
    end
  end
end

--- Puts the melodies that `definition` can reach into it. What a definition brings along stays as it is.
---@param place Place
---@param file MelodyFile of the definition
---@param definition table normal form
---@param ops fun(name: string): table? what operations mean in this melody
---@param options { reading: boolean?, bundled_ops: fun(name: string): table? }
---@return { problems: Problem[], sources: table<string, string>, others: melody.Others }
function M.load(place, file, definition, ops, options)
  local self = setmetatable({
    project = place, top = file, definition = definition, reading = options.reading, found = {}, files = {},
    brought = definition.melodies or {}, problems = {}, sources = {}, why = {},
  }, Loading)
  self:follow(definition, file.origin == "bundled")
  for _, one in pairs(self.brought) do self:follow(one, file.origin == "bundled") end
  for name, found in pairs(self.found) do
    definition.melodies = definition.melodies or {}
    definition.melodies[name] = inner(found)
  end
  return { problems = self.problems, sources = self.sources,
           others = { names = names_of(place), why = self.why, ops = operations(self, ops, options.bundled_ops) } }
end

return M
