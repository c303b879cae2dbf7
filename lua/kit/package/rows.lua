--- What changes of installed packages leave in a project's database: the rows of the extension, and a task of the host
--- with its events for each change.
local chore = require "kit.chore"
local grants = require "kit.grants.record"
local install = require "kit.install"
local lifecycle = require "kit.lifecycle"
local problem = require "kit.problem"
local record = require "kit.package.record"
local registry = require "kit.registry"

local M = {}

local GONE = [[
SELECT e.id, e.name, v.version, v.code_hash FROM extension e
LEFT JOIN extension_version v ON v.id = e.extension_version_id
WHERE e.source = 'store' AND e.removed_at IS NULL]]

local REMOVE = "UPDATE extension SET removed_at = ?2 WHERE id = ?1"

--- Marks an extension as removed; its rows stay, for runs refer to them.
local function remove(host, row)
  return chore.run(host, {
    type = "extension_activation",
    operation = "host.kit",
    payload = { action = "remove", extension = row.name, version = row.version, code_hash = row.code_hash },
  }, function()
    local ok, failure, code = host:write(REMOVE, { row.id, host:now() })
    if not ok then return nil, problem.from(failure, code) end
    lifecycle.tell(host, row.id, "remove", { name = row.name, version = row.version })
    return { id = row.id }
  end)
end

--- Marks what was removed for the person, here or in another project. Called when a host is opened.
---@param host table
---@return boolean?, Problem?
function M.settle(host)
  local rows = host:query(GONE, {})
  if #rows == 0 then return true end
  local state = record.read()
  for _, row in ipairs(state and rows or {}) do
    local package = state.packages[row.name]
    if not package then
      local ok, why = remove(host, row)
      if not ok then return nil, why end
    end
  end
  return true
end

--- Records changes in the project that the command runs in, where it has a database.
---@param ctx Context
---@param changes PackageChange[]
---@return boolean?, Problem?
function M.changed(ctx, changes)
  for _, one in ipairs(changes) do
    if one.action == "remove" then
      local ok, why = grants.forget { extension = one.name, origin = "installed" }
      if not ok then return nil, why end
    end
  end
  if #changes == 0 or not ctx:place().exists then return true end
  local host, closed = ctx:host { create = false }
  if not host then return nil, closed end
  local found = registry.new(ctx:place())
  for _, one in ipairs(changes) do
    local entry = one.action ~= "remove" and found:extension(one.name)
    if entry and entry.origin == "installed" then
      local ok, why = install.rows(host, entry, one.action)
      if not ok then return nil, why end
    end
  end
  return M.settle(host)
end

return M
