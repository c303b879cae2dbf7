--- lua/types/sy.lua, the LuaLS stubs, out of lua/types/api.lua.
local api = require "types.api"

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

--- The stubs.
---@return string
function M.text()
  local lines = { HEAD }
  for _, entry in ipairs(api) do
    local owner = class_of(entry):gsub("%.", "_")
    lines[#lines + 1] = ("---%s"):format(entry.doc)
    lines[#lines + 1] = ("---@class %s"):format(class_of(entry))
    for _, field in ipairs(entry.fields or {}) do lines[#lines + 1] = ("---@field %s %s %s"):format(table.unpack(field)) end
    lines[#lines + 1] = ("local %s = {}"):format(owner)
    lines[#lines + 1] = ""
    for _, fn in ipairs(entry.functions) do add_function(lines, owner, entry.class ~= nil, fn) end
  end
  return table.concat(lines, "\n")
end

return M
