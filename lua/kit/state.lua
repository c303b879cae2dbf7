--- What the rows of the two singletons say of settings and extensions: the kit's configuration, the extensions there
--- are, what they were granted; how events are routed. Written when a host is opened and before it is closed, and
--- only when something differs.
local context = require "kit.grants.context"
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

--- A column holds all of a list up to this size, else its length and where it is.
local WHOLE_BYTES = 64 << 10

local INSTALLED = [[
SELECT e.name, e.extension_type AS type, e.source, v.version, e.capabilities FROM extension e
LEFT JOIN extension_version v ON v.id = e.extension_version_id
WHERE e.removed_at IS NULL AND e.name <> 'host' ORDER BY e.name]]

local NOW = [[
SELECT k.configuration, k.extension_registry, k.security_context, c.event_router_config
FROM orchestra_kit k, conductor c]]

local WRITE_KIT = "UPDATE orchestra_kit SET configuration = ?1, extension_registry = ?2, security_context = ?3"
local WRITE_ROUTER = "UPDATE conductor SET event_router_config = ?1"

--- The JSON of a list, or what stands for it when it is too long for a column.
local function whole(host, text, count)
  if #text <= WHOLE_BYTES then return text end
  return json.encode { count = count, table = "extension", as_of = host:now(),
    seq = host:query("SELECT coalesce(max(seq), 0) AS seq FROM event", {})[1].seq }
end

local CONCERNS = { host = true, kit = true, run = true, artifact = true, limits = true }

--- The settings that concern the kit and the engine.
local function configuration(settings)
  local map = { max_isolates = 1000 }
  for key, value in pairs(settings:all()) do
    if CONCERNS[key:match "^%l+"] then map[key] = value end
  end
  return json.encode(map)
end

local function lists(host)
  local installed = json.array {}
  local rows = host:query(INSTALLED, {})
  for i, row in ipairs(rows) do
    installed[i] = { name = row.name, type = row.type, version = row.version, source = row.source }
  end
  return installed, rows
end

--- Brings the row up to date.
---@param host table
---@param place Place
---@param settings Config
---@return boolean?, Problem?
function M.refresh(host, place, settings)
  local installed, rows = lists(host)
  local wanted = {
    configuration(settings),
    whole(host, json.encode { installed = installed }, #installed),
    whole(host, json.encode(context.of(rows, place, settings)), #installed),
    json.encode { queue_events = settings:get "events.queue", overflow = "replay", cursor = "seq" },
  }
  local row = host:query(NOW, {})[1]
  if row and row.configuration == wanted[1] and row.extension_registry == wanted[2]
    and row.security_context == wanted[3] and row.event_router_config == wanted[4] then
    return true
  end
  local ok, failure, code = host:transaction { { WRITE_KIT, { wanted[1], wanted[2], wanted[3] } },
    { WRITE_ROUTER, { wanted[4] } } }
  if not ok then return nil, problem.from(failure, code) end
  return true
end

return M
