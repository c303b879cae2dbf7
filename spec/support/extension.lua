--- Loads an extension's own modules without an isolate, each spec with a cache of its own.
---
---   local load = require "extension".loader("extensions/operators/git", {process = fake, fs = fake})
---   local parse = load "parse"      -- extensions/operators/git/parse.lua

local M = {}

---@param folder string below the root of the tree
---@param library table<string, table>? what the extension's `require` finds besides its own files
---@return fun(name: string): any
function M.loader(folder, library)
  local root, cache = os.getenv "SYMPHONY_ROOT" or ".", {}
  local load
  function load(name)
    if library and library[name] then return library[name] end
    if cache[name] == nil then
      local path = ("%s/%s/%s.lua"):format(root, folder, name:gsub("%.", "/"))
      local chunk = assert(loadfile(path, "t", setmetatable({require = load}, {__index = _G})))
      cache[name] = chunk(name)
    end
    return cache[name]
  end
  return load
end

--- The library modules that the bundled operators use, bound to a folder as an isolate's are to its project.
---@param dir string
---@return table<string, table>
function M.library(dir)
  local fs, process = require "sy.fs", require "sy.process"
  local bound = {}
  for _, name in ipairs {"stat", "read", "list", "write", "mkdir", "remove"} do
    bound[name] = function (path, ...) return fs[name](dir .. "/" .. path, ...) end
  end
  for _, name in ipairs {"copy", "move"} do
    bound[name] = function (from, to) return fs[name](dir .. "/" .. from, dir .. "/" .. to) end
  end
  function bound.glob(pattern, options)
    options.dir = dir
    return fs.glob(pattern, options)
  end
  local function run(options)
    options.cwd = dir .. "/" .. (options.cwd or "")
    return process.run(options)
  end
  return {
    fs = bound, process = {run = run, which = process.which}, json = require "sy.json", re = require "sy.re",
  }
end

--- A ctx for operations called by specs: what it was given is in `artifacts` and `steps`.
---@return table
function M.ctx()
  local ctx = {artifacts = {}, steps = 0}
  function ctx.progress() ctx.steps = ctx.steps + 1 end
  function ctx.artifact(kind, bytes, metadata)
    ctx.artifacts[#ctx.artifacts + 1] = {type = kind, bytes = bytes, metadata = metadata}
    return {["$artifact"] = "sha256:" .. #ctx.artifacts, size = #bytes}
  end
  return ctx
end

return M
