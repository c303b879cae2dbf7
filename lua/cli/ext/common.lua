--- What the subcommands of ext share: the project opened where there is one, the state of an extension.
local M = {}

--- The state of an extension: the furthest of its living hosts, as its row says.
---@param ctx Context
---@param name string
---@return string
function M.state(ctx, name)
  if not ctx.opened then return "installed" end
  local row = ctx.opened:query("SELECT lifecycle_state FROM extension WHERE name = ?1 AND removed_at IS NULL",
    { name })[1]
  return row and row.lifecycle_state or "installed"
end

--- Opens the project's host where a project is; makes none.
---@param ctx Context
---@return boolean|Host|nil, Problem?
function M.open(ctx)
  if ctx:place().exists then return ctx:host { create = false } end
  return true
end

return M
