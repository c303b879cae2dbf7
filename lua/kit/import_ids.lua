--- Ids of what is imported: as they are, where none of them is taken here; else new ones, each derived from the old, so
--- that references find each other without a table of all of them.
local hash = require "sy.hash"
local json = require "sy.json"

local M = {}

local TAKEN = {
  task = "SELECT 1 FROM task WHERE id IN (SELECT value FROM json_each(?1)) LIMIT 1",
  event = "SELECT 1 FROM event WHERE id IN (SELECT value FROM json_each(?1)) LIMIT 1",
  artifact = "SELECT 1 FROM artifact WHERE id IN (SELECT value FROM json_each(?1)) LIMIT 1",
  pit_operation = "SELECT 1 FROM pit_operation WHERE id IN (SELECT value FROM json_each(?1)) LIMIT 1",
}

--- Whether one of the rows has an id that is taken here.
---@param host table
---@param kind string
---@param rows table[]
---@return boolean
function M.taken(host, kind, rows)
  local sql = TAKEN[kind]
  if not sql then return false end
  local ids = json.array {}
  for i, row in ipairs(rows) do ids[i] = row.id end
  return host:query(sql, { json.encode(ids) })[1] ~= nil
end

--- A function from an old id to the one here. A new id keeps the old one's time, as a UUIDv7 has it in front.
---@param salt? string nil: ids stay
---@return fun(id: string): string
function M.mapper(salt)
  if not salt then return function(id) return id end end
  return function(id)
    local digits = hash.sha256(salt .. id)
    local variant = ("89ab"):sub(tonumber(digits:sub(4, 4), 16) % 4 + 1):sub(1, 1)
    return ("%s7%s-%s%s-%s"):format(id:sub(1, 14), digits:sub(1, 3), variant, digits:sub(5, 7), digits:sub(8, 19))
  end
end

return M
