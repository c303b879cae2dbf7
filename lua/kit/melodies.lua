--- Where melodies lie and which one a name means: the project's (where trusted), the user's, the bundled one.
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local suggest = require "kit.suggest"

local M = {}

local BUNDLED = "lua/melodies/"

---@class MelodyFile
---@field name string
---@field origin "project"|"user"|"bundled"|"file"
---@field file string as messages show it
---@field path string? nil when embedded
---@field text string

local function embedded(name)
  local path = BUNDLED .. name .. ".lua"
  for _, file in ipairs(require("sy.core").embedded(path)) do
    if file.path == path then return file.data end
  end
  return nil
end

local function embedded_names()
  local names = {}
  for _, file in ipairs(require("sy.core").embedded(BUNDLED)) do
    names[#names + 1] = file.path:match("^lua/melodies/([%w_%-]+)%.lua$")
  end
  return names
end

local function folder_names(dir)
  local names = {}
  for _, file in ipairs(paths.names(dir) or {}) do
    if not file:match("_test%.lua$") then names[#names + 1] = file:match("^([%w_%-]+)%.lua$") end
  end
  return names
end

local function user_dir()
  return paths.join(person.config_dir(), "melodies")
end

local function project_dir(place)
  return paths.join(place.dir, "melodies")
end

local function from_file(path, shown, name, origin)
  local text, message = paths.read(path)
  if not text then
    return problem.fail(paths.kind(path) and "io_error" or "not_found",
      ("the melody cannot be read: %s"):format(message))
  end
  return { name = name, origin = origin, file = shown, path = path, text = text }
end

--- A path as messages show it: relative to the current folder, else to the project, where it lies within.
local function shown_path(path, place)
  local relative = paths.relative(path, paths.cwd())
  if relative ~= path then return relative end
  return place and paths.relative(path, place.dir) or path
end

local function untrusted(place, what)
  return problem.fail("not_trusted", ("%s belongs to this project, which is not trusted"):format(what),
    { hint = "symphony trust   lets melodies and extensions of " .. place.dir .. " run" })
end

local function by_path(place, typed, options)
  local path, message = paths.real(typed)
  if not path then return problem.fail("not_found", "there is no melody at " .. message) end
  if paths.within(path, place.dir) and not place.trusted and not options.reading then
    return untrusted(place, shown_path(path, place))
  end
  return from_file(path, shown_path(path, place), paths.name(path):gsub("%.[^.]+$", ""), "file")
end

--- Every name with where it comes from; `shadowed` ones are left out.
---@param place Place
---@return { name: string, origin: string, path: string? }[]
function M.list(place)
  local list, seen = {}, {}
  local function add(names, origin, dir)
    for _, name in ipairs(names) do
      if not seen[name] then
        seen[name] = true
        list[#list + 1] = { name = name, origin = origin, path = dir and paths.join(dir, name .. ".lua") or nil }
      end
    end
  end
  add(folder_names(project_dir(place)), "project", project_dir(place))
  add(folder_names(user_dir()), "user", user_dir())
  add(embedded_names(), "bundled")
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

local function none(place, name)
  local names = {}
  for i, entry in ipairs(M.list(place)) do names[i] = entry.name end
  return problem.fail("not_found", ("there is no melody `%s`"):format(name),
    { hint = suggest.hint(name, names) or "symphony melody ls   lists them" })
end

local function bundled(name)
  local text = embedded(name)
  return text and { name = name, origin = "bundled", file = BUNDLED .. name .. ".lua", text = text } or nil
end

--- Finds a melody by name or path.
---@param place Place
---@param typed string a name, or a path to .lua or .json
---@param options? { reading: boolean?, bundled_only: boolean? } reading: not to be run, so trust does not matter
---@return MelodyFile?, Problem?
function M.find(place, typed, options)
  options = options or {}
  if typed:find("/", 1, true) or typed:match("%.lua$") or typed:match("%.json$") then
    return by_path(place, typed, options)
  end
  if not typed:match("^[%w_%-]+$") then return none(place, typed) end
  if options.bundled_only then return bundled(typed) or none(place, typed) end
  local own = paths.join(project_dir(place), typed .. ".lua")
  local is_own = paths.kind(own) == "file"
  if is_own and (place.trusted or options.reading) then
    return from_file(own, paths.join("melodies", typed .. ".lua"), typed, "project")
  end
  local users = paths.join(user_dir(), typed .. ".lua")
  if paths.kind(users) == "file" then return from_file(users, users, typed, "user") end
  local found = bundled(typed)
  if found then return found end
  if is_own then return untrusted(place, "melodies/" .. typed .. ".lua") end
  return none(place, typed)
end

--- What `require` in a melody finds: files of the melody's own folder.
---@param melody MelodyFile
---@return fun(name: string): string?, string?
function M.module(melody)
  return function(name)
    if not name:match("^[%a_][%w_]*[%w_%.]*$") or name:find("..", 1, true) then return nil end
    local relative = name:gsub("%.", "/") .. ".lua"
    if not melody.path then
      local inner = relative:gsub("%.lua$", "")
      local text = embedded(inner)
      return text, text and BUNDLED .. relative or nil
    end
    local dir = paths.real(paths.parent(melody.path))
    local path = dir and paths.real(paths.join(dir, relative))
    if not path or not paths.within(path, dir) then return nil end
    local text = paths.read(path)
    return text, text and paths.join(paths.parent(melody.file), relative) or nil
  end
end

return M
