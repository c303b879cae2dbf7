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

return M
