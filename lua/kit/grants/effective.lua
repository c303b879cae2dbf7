--- What an extension may do: what its manifest asks for, as far as the person allows it. Pure.
local units = require "kit.units"
local within = require "kit.grants.within"

local M = {}

--- The capabilities that are lists, in the order in which they are told.
M.KINDS = { "fs.read", "fs.write", "process", "net", "env", "secrets", "editor" }

--- What a call gets without asking.
local LIMITS = { memory = "64MiB", cpu = "2s", timeout = "30s" }
M.LIMITS = { "memory", "cpu", "timeout" }

---@class Decision
---@field extension string
---@field origin string
---@field project string? real path, of an extension of a project
---@field state "granted"|"denied"
---@field asked table<string, string[]|string> the capabilities it was about
---@field allow table<string, string[]|string> what is left of a capability that was narrowed, the most of a limit
---@field by string login name
---@field at string
---@field how string "install", "first use", "trust", "ext permissions", "--yes"

local function amount(key, value)
  return key == "memory" and units.bytes(value) or key ~= "memory" and units.milliseconds(value) or 0
end

local function is_more(key, value, than)
  return amount(key, value) > amount(key, than or LIMITS[key])
end

--- Whether a manifest asks for anything that a person would be asked about.
---@param capabilities table checked
---@return boolean
function M.asks(capabilities)
  for _, kind in ipairs(M.KINDS) do
    if #(capabilities[kind] or {}) > 0 then return true end
  end
  for _, key in ipairs(M.LIMITS) do
    if is_more(key, capabilities[key] or LIMITS[key]) then return true end
  end
  return false
end

--- A copy of the capabilities alone.
---@param capabilities table
---@return table
function M.copy(capabilities)
  local copy = {}
  for _, kind in ipairs(M.KINDS) do
    local list = capabilities[kind] or {}
    copy[kind] = table.move(list, 1, #list, 1, {})
  end
  for _, key in ipairs(M.LIMITS) do copy[key] = capabilities[key] or LIMITS[key] end
  return copy
end

--- What may be done. `standing`: it may do what it asks for unless the person took it away.
---@param asked table capabilities of the manifest
---@param decision? Decision
---@param standing boolean
---@return table capabilities
function M.of(asked, decision, standing)
  local granted = M.copy(asked)
  for _, kind in ipairs(M.KINDS) do
    if not decision then
      if not standing then granted[kind] = {} end
    elseif decision.state ~= "granted" then
      granted[kind] = {}
    else
      if not standing then granted[kind] = within.both(kind, granted[kind], decision.asked[kind] or {}) end
      if decision.allow[kind] then granted[kind] = within.both(kind, granted[kind], decision.allow[kind]) end
    end
  end
  for _, key in ipairs(M.LIMITS) do
    local most = decision and decision.allow[key]
    if most and is_more(key, granted[key], most) then granted[key] = most end
  end
  return granted
end

---@class Difference
---@field new table<string, string[]> asked for, and nothing like it before
---@field widened table<string, string[]> asked for, of which a part was asked for before
---@field gone table<string, string[]> no longer asked for
---@field more boolean whether it asks for more than before

local function put(into, kind, one)
  into[kind] = into[kind] or {}
  table.insert(into[kind], one)
end

local function is_part(kind, whole, list)
  for _, one in ipairs(list) do
    if within.one(kind, whole, one) then return true end
  end
  return false
end

--- How what is asked for differs from what was.
---@param before table
---@param now table
---@return Difference
function M.difference(before, now)
  local found = { new = {}, widened = {}, gone = {}, more = false }
  for _, kind in ipairs(M.KINDS) do
    local old, new = before[kind] or {}, now[kind] or {}
    for _, one in ipairs(new) do
      if not within.any(kind, old, one) then put(is_part(kind, one, old) and found.widened or found.new, kind, one) end
    end
    for _, one in ipairs(old) do
      if not within.any(kind, new, one) then put(found.gone, kind, one) end
    end
  end
  for _, key in ipairs(M.LIMITS) do
    local old, new = before[key] or LIMITS[key], now[key] or LIMITS[key]
    if is_more(key, new, old) then
      found.widened[key] = new
    elseif is_more(key, old, new) then
      found.gone[key] = old
    end
  end
  found.more = next(found.new) ~= nil or next(found.widened) ~= nil
  return found
end

--- Whether a decision was about all that is asked for now.
---@param decision Decision
---@param asked table
---@return boolean
function M.covers(decision, asked)
  return not M.difference(decision.asked, asked).more
end

--- What is asked for and not granted, by capability.
---@param asked table
---@param granted table
---@return table<string, string[]>
function M.withheld(asked, granted)
  local map = {}
  for _, kind in ipairs(M.KINDS) do
    for _, one in ipairs(asked[kind] or {}) do
      if not within.any(kind, granted[kind] or {}, one) then put(map, kind, one) end
    end
  end
  return map
end

return M
