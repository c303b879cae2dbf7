--- What the row ORCHESTRA_KIT says of security: the policies that hold here, what is granted to whom, and who said so.
local effective = require "kit.grants.effective"
local json = require "sy.json"
local null = require "kit.null"
local record = require "kit.grants.record"

local M = {}

local ORIGIN = { store = "installed" }

--- The lists of a grant, also those that nothing is in.
local function lists(granted)
  for _, kind in ipairs(effective.KINDS) do granted[kind] = json.array(granted[kind]) end
  return granted
end

local function decided(decision)
  return { state = decision.state, by = decision.by, at = decision.at, how = decision.how,
    narrowed = next(decision.allow) ~= nil }
end

--- The column security_context.
---@param rows { name: string, source: string, capabilities: string }[] what is installed
---@param place Place
---@param settings Config
---@return table
function M.of(rows, place, settings)
  local list, damaged = record.list()
  local by, grants, decisions = {}, {}, {}
  for _, one in ipairs(list or {}) do
    if not one.project or one.project == place.dir then by[one.origin .. " " .. one.extension] = one end
  end
  for _, row in ipairs(rows) do
    local origin = ORIGIN[row.source] or row.source
    local decision = by[origin .. " " .. row.name]
    local standing = (origin == "bundled" or origin == "user") and not damaged
    grants[row.name] = lists(effective.of(json.decode(row.capabilities), decision, standing))
    if decision then decisions[row.name] = decided(decision) end
  end
  return { default = "deny", trusted = place.trusted, audit = settings:get "kit.audit", grants = grants,
    decisions = next(decisions) and decisions or json.null, damaged = null.of(damaged and damaged.message) }
end

return M
