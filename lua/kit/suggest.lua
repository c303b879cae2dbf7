--- Hints for a name that was mistyped.
local suggest = require "melody.suggest"

local M = {}

local function starting_with(name, candidates)
  local found
  for _, candidate in ipairs(candidates) do
    if #name >= 2 and candidate:sub(1, #name) == name then
      if found then return nil end
      found = candidate
    end
  end
  return found
end

--- Whether a name is one of a list.
---@param list string[]
---@param name string
---@return boolean
function M.has(list, name)
  for _, one in ipairs(list) do
    if one == name then return true end
  end
  return false
end

--- "did you mean `x`?", or nil: the nearest candidate, else the only one that begins so.
---@param name string
---@param candidates string[]
---@return string?
function M.hint(name, candidates)
  local best = suggest.nearest(name, candidates) or starting_with(name, candidates)
  return best and ("did you mean `%s`?"):format(best) or nil
end

return M
