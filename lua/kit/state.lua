--- What the one row of ORCHESTRA_KIT says of the kit: its settings, the extensions there are, what they were granted.
--- Written when a host is opened, and only when something differs.
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

local INSTALLED = [[
SELECT e.name, e.extension_type AS type, e.source, v.version, e.capabilities FROM extension e
LEFT JOIN extension_version v ON v.id = e.extension_version_id
WHERE e.removed_at IS NULL AND e.name <> 'host' ORDER BY e.name]]

local NOW = "SELECT configuration, extension_registry, security_context FROM orchestra_kit"

local WRITE = "UPDATE orchestra_kit SET configuration = ?1, extension_registry = ?2, security_context = ?3"

--- The settings that concern the kit and the engine.
local function configuration(settings)
  local map = { max_isolates = 1000 }
  for key, value in pairs(settings:all()) do
    if key:match("^host%.") or key:match("^run%.") or key:match("^artifact%.") then map[key] = value end
  end
  return json.encode(map)
end

local function lists(host)
  local installed, grants = json.array {}, {}
  for i, row in ipairs(host:query(INSTALLED, {})) do
    installed[i] = { name = row.name, type = row.type, version = row.version, source = row.source }
    grants[row.name] = json.decode(row.capabilities)
  end
  return installed, grants
end

--- Brings the row up to date.
---@param host table
---@param place Place
---@param settings Config
---@return boolean?, Problem?
function M.refresh(host, place, settings)
  local installed, grants = lists(host)
  local wanted = {
    configuration(settings),
    json.encode { installed = installed },
    json.encode { default = "deny", trusted = place.trusted, grants = grants },
  }
  local row = host:query(NOW, {})[1]
  if row and row.configuration == wanted[1] and row.extension_registry == wanted[2]
    and row.security_context == wanted[3] then
    return true
  end
  local ok, failure, code = host:write(WRITE, wanted)
  if not ok then return nil, problem.from(failure, code) end
  return true
end

return M
