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

local PAST = { install = "installed", update = "updated", rollback = "rolled_back", remove = "removed",
  pause = "paused", resume = "resumed" }

--- Tells, in the task of the host that has begun, what was done with an extension: the event extension.WORD with the
--- topic kit.extension.WORD.
---@param host table
---@param extension_id string
---@param action string "install", "pause", …
---@param about table its payload
function M.tell(host, extension_id, action, about)
  local word = PAST[action] or action
  host:tell_task { extension = extension_id, type = "extension." .. word, topic = "kit.extension." .. word,
    payload = json.encode(about) }
end

local SET = [[
INSERT INTO extension_session (extension_id, session_id, lifecycle_state, error, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (extension_id, session_id) DO UPDATE SET lifecycle_state = excluded.lifecycle_state, error = excluded.error,
  updated_at = excluded.updated_at]]

local SHOW = [[UPDATE extension SET lifecycle_state = ?2 WHERE id = ?1 AND lifecycle_state <> ?2]]

--- The statements that record the state of an extension in this opening of the host.
---@param host table
---@param extension_id string
---@param state string
---@param why? Problem with state error
---@return table[] steps for host:transaction
function M.steps(host, extension_id, state, why)
  local text = why and json.encode { code = why.code, message = why.message } or json.null
  return { { SET, { extension_id, host:id(), state, text, host:now() } }, { SHOW, { extension_id, state } } }
end

local CLAIMED = [[
SELECT e.id, e.lifecycle_state AS shown, o.session_id, o.lifecycle_state AS state,
  EXISTS (SELECT 1 FROM extension_pause p WHERE p.extension_id = e.id) AS paused
FROM extension e LEFT JOIN (session s CROSS JOIN extension_session o ON o.session_id = s.id AND s.ended_at IS NULL)
  ON o.extension_id = e.id
WHERE e.name <> 'host' AND e.lifecycle_state NOT IN ('installed', 'error')]]

local RANK = {}
for rank, state in ipairs(M.ORDER) do RANK[state] = rank end

--- The furthest state of each extension in a living opening of the host, and what its row shows.
local function furthest(host, leaving)
  local best, shown = {}, {}
  for _, row in ipairs(host:query(CLAIMED, {})) do
    local session, rank = row.session_id, RANK[row.state]
    shown[row.id] = row.shown
    if row.paused == 1 then
      best[row.id] = "paused"
    elseif session ~= json.null and rank and not (leaving and session == host:id()) and host:alive(session)
      and rank > RANK[best[row.id] or "installed"] then
      best[row.id] = row.state
    end
  end
  return best, shown
end

--- A row shows the furthest state of a living host; what none uses is only installed. Called when a host is opened
--- and before it is closed.
---@param host table
---@param leaving? boolean this opening does not count
---@return boolean?, Problem?
function M.settle(host, leaving)
  local best, shown = furthest(host, leaving)
  local steps = {}
  for id, state in pairs(shown) do
    local now = best[id] or "installed"
    if now ~= state then steps[#steps + 1] = { SHOW, { id, now } } end
  end
  if #steps == 0 then return true end
  local ok, failure, code = host:transaction(steps)
  if not ok then return nil, problem.from(failure, code) end
  return true
end

return M
