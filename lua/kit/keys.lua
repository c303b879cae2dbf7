--- The names in a table, in an order that is always the same.
local M = {}

--- The keys of a table, sorted.
---@param map table<string, any>
---@return string[]
function M.sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return M
