--- What the subcommands of ext share: the project opened where there is one, the state of an extension.
local pausing = require "kit.pausing"
local players = require "kit.players"

local M = {}

--- The state of an extension: paused where a person says so, else the furthest of its living hosts.
---@param ctx Context
---@param name string
---@return string
function M.state(ctx, name)
  if not ctx.opened then return "installed" end
  if pausing.since(ctx.opened, name) then return "paused" end
  local row = ctx.opened:query("SELECT lifecycle_state FROM extension WHERE name = ?1 AND removed_at IS NULL",
    { name })[1]
  return row and row.lifecycle_state or "installed"
end

local FAILED = [[
SELECT o.error ->> '$.message' AS message FROM extension_session o JOIN extension e ON e.id = o.extension_id
WHERE e.name = ?1 AND e.lifecycle_state = 'error' AND o.error IS NOT NULL ORDER BY o.updated_at DESC LIMIT 1]]

--- Why its code could not be loaded when it was last tried; nil: it could.
---@param ctx Context
---@param name string
---@return string?
function M.failure(ctx, name)
  local row = ctx.opened and ctx.opened:query(FAILED, { name })[1]
  return row and row.message
end

--- The players of an extension.
---@param ctx Context
---@param name string
---@return PlayerStanding[]
function M.players(ctx, name)
  if not ctx.opened then return {} end
  return players.of(ctx.opened, name, ctx:settings())
end

--- Opens the project's host where a project is; makes none.
---@param ctx Context
---@return boolean|Host|nil, Problem?
function M.open(ctx)
  if ctx:place().exists then return ctx:host { create = false } end
  return true
end

return M
