--- lua/types/sy.lua, the LuaLS stubs, out of lua/types/api.lua.
--- And those of the library inside isolates, out of lua/types/library.lua.
local api = require "types.api"
local library = require "types.library"

local M = {}

local HEAD = [[
---@meta
-- Generated from lua/types/api.lua: what C offers to trusted Lua.

---@class sy.Error
---@field code string
---@field message string
---@field where { file: string?, line: integer?, task: string? }
---@field hint string?

---@class sy.Regex
---@class sy.Checker
]]

local LIBRARY_HEAD = [[
---@meta
-- What an extension finds in Symphony; written by `symphony ext types`.
]]

local function class_of(entry)
  return entry.class or entry.module
end

local function add_function(lines, owner, method, fn)
  local name, params, returns, doc = table.unpack(fn)
  local names = {}
  lines[#lines + 1] = "--- " .. doc:sub(1, 1):upper() .. doc:sub(2) .. "."
  for i, param in ipairs(params) do
    lines[#lines + 1] = ("---@param %s %s"):format(param[1], param[2])
    names[i] = (param[1]:gsub("%?$", ""))
  end
  for _, kind in ipairs(returns) do lines[#lines + 1] = "---@return " .. kind end
  lines[#lines + 1] = ("function %s%s%s(%s) end"):format(owner, method and ":" or ".", name, table.concat(names, ", "))
  lines[#lines + 1] = ""
end

local function stubs(head, list)
  local lines = { head }
  for _, entry in ipairs(list) do
    local owner = class_of(entry):gsub("%.", "_")
    lines[#lines + 1] = ("---%s"):format(entry.doc)
    lines[#lines + 1] = ("---@class %s"):format(class_of(entry))
    for _, field in ipairs(entry.fields or {}) do lines[#lines + 1] = ("---@field %s %s %s"):format(table.unpack(field)) end
    lines[#lines + 1] = ("local %s = {}"):format(owner)
    lines[#lines + 1] = ""
    for _, fn in ipairs(entry.functions) do add_function(lines, owner, M.is_method(entry), fn) end
    if entry.module and list ~= api then lines[#lines + 1] = ("return %s\n"):format(owner) end
  end
  return table.concat(lines, "\n")
end

--- Whether its functions are called with a colon.
---@param entry table
---@return boolean
function M.is_method(entry)
  return entry.class ~= nil and (entry.methods or entry.class:match "^sy%.") and true or false
end

--- The stubs of what C offers to trusted Lua.
---@return string
function M.text()
  return stubs(HEAD, api)
end

--- The stubs of what extensions and their specs find: one file for each module, and ctx.lua for the classes.
---@return table<string, string> file name → text
function M.library()
  local files, classes = {}, {}
  for _, entry in ipairs(library) do
    if entry.module then
      files[entry.module .. ".lua"] = stubs(LIBRARY_HEAD, { entry })
    else
      classes[#classes + 1] = entry
    end
  end
  files["ctx.lua"] = stubs(LIBRARY_HEAD, classes)
  return files
end

return M
