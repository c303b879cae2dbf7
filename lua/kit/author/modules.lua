--- What `require` finds in an isolate that runs the tests of an extension: the library's stand-ins, the extension's
--- own modules and those of the packages it depends on, and the helpers beside its specs.
local core = require "sy.core"
local paths = require "kit.paths"

local M = {}

local STAND_INS = { http = true, log = true, process = true, testing = true, time = true }

local function testkit(name)
  local file = name == "testing" and "testing" or name:match "^testing%.(%l+)$" or STAND_INS[name] and name
  local found = file and core.embedded(("lua/testkit/%s.lua"):format(file))[1]
  if found then return found.data, ("testing/%s.lua"):format(file) end
end

local function below(files, prefix, name)
  local path = prefix .. name:gsub("%.", "/")
  for _, ending in ipairs { ".lua", "/init.lua" } do
    if files[path .. ending] then return files[path .. ending], path .. ending end
  end
end

local function lists(page, package)
  for line in (page or ""):gmatch "\n([^\n]+)" do
    if line == package then return true end
  end
  return false
end

--- A module of a package, asked for by the package `from`, "" for the extension itself.
local function of_package(files, from, asked)
  local package, inner = asked:match "^([^%.]+)%.?(.*)$"
  if not lists(files["@" .. from], package) then return nil end
  if inner ~= "" then return below(files, ("@%s/"):format(package), inner) end
  local path = ("@%s/%s"):format(package, files["@" .. package]:match "^[^\n]*")
  return files[path], path
end

--- The callback for sy.isolate.
---@param files table<string, string> as kit.package.view.bundle gives them
---@param helpers table<string, string> path → text of what lies in spec/
---@return fun(name: string): string?, string?
function M.of(files, helpers)
  return function(name)
    local source, chunk = testkit(name)
    if source then return source, chunk end
    local from, asked = name:match "^([^:]*):(.*)$"
    from, asked = from or "", asked or name
    if asked:find("/", 1, true) then return of_package(files, from, asked) end
    if from ~= "" then return below(files, ("@%s/"):format(from), asked) end
    source, chunk = below(files, "", asked)
    if source then return source, chunk end
    return below(helpers, "", asked)
  end
end

--- The Lua files below the folder spec of an extension: "spec/a_spec.lua" → text.
---@param dir string
---@return table<string, string>
function M.specs(dir)
  local files = {}
  local function walk(relative, depth)
    for _, name in ipairs(paths.names(paths.join(dir, relative)) or {}) do
      local path = relative .. "/" .. name
      local kind = paths.kind(paths.join(dir, path))
      if kind == "directory" and depth < 8 then walk(path, depth + 1) end
      if kind == "file" and name:match "%.lua$" then files[path] = paths.read(paths.join(dir, path)) end
    end
  end
  walk("spec", 0)
  return files
end

return M
