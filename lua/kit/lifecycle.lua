--- The life of an extension in one opening of the host: installed → loaded → activated → running ⇄ paused, or error.
--- extension_session has the state of each host; the column of `extension` the furthest among living ones.
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

--- The states, from the first to the furthest; `error` stands beside them.
M.ORDER = { "installed", "loaded", "activated", "paused", "running" }

local NEXT = {
  installed = { loaded = true, error = true },
  loaded = { activated = true, installed = true, error = true },
  activated = { running = true, installed = true, error = true },
  running = { paused = true, activated = true, installed = true, error = true },
  paused = { running = true, activated = true, installed = true, error = true },
  error = { installed = true, loaded = true },
}

--- Whether one state may follow another.
---@param from string
---@param to string
---@return boolean
function M.allowed(from, to)
  return from == to or (NEXT[from] or {})[to] or false
end

local SET = [[
INSERT INTO extension_session (extension_id, session_id, lifecycle_state, error, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (extension_id, session_id) DO UPDATE SET lifecycle_state = excluded.lifecycle_state, error = excluded.error,
  updated_at = excluded.updated_at]]

local SHOW = [[UPDATE extension SET lifecycle_state = ?2 WHERE id = ?1 AND lifecycle_state <> ?2]]

--- Records the state of an extension in this opening of the host.
---@param host table
---@param extension_id string
---@param state string
---@param why? Problem with state error
---@return boolean?, Problem?
function M.set(host, extension_id, state, why)
  local text = why and json.encode { code = why.code, message = why.message } or json.null
  local ok, failure, code = host:transaction {
    { SET, { extension_id, host:id(), state, text, host:now() } },
    { SHOW, { extension_id, state } },
  }
  if not ok then return nil, problem.from(failure, code) end
  return true
end

--- At close: what was activated here is only installed again, unless another host still has it.
---@param host table
---@return boolean?, Problem?
function M.release(host)
  local ok, failure, code = host:write([[
UPDATE extension SET lifecycle_state = coalesce((
  SELECT o.lifecycle_state FROM extension_session o JOIN session s ON s.id = o.session_id
  WHERE o.extension_id = extension.id AND o.session_id <> ?1 AND s.ended_at IS NULL
  ORDER BY o.updated_at DESC LIMIT 1), 'installed')
WHERE id IN (SELECT extension_id FROM extension_session WHERE session_id = ?1) AND lifecycle_state <> 'error']],
  { host:id() })
  if not ok then return nil, problem.from(failure, code) end
  return true
end

return M
