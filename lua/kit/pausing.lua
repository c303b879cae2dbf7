--- A person pauses an extension: it is not called until it is resumed, in no process and no run of the project. What
--- runs goes on to its end. Each change is a task of the host and an event kit.extension.paused or .resumed.
local chore = require "kit.chore"
local lifecycle = require "kit.lifecycle"
local problem = require "kit.problem"

local M = {}

local PAUSE = "INSERT INTO extension_pause (extension_id, paused_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
local RESUME = "DELETE FROM extension_pause WHERE extension_id = ?1"
local SHOW = "UPDATE extension SET lifecycle_state = ?2 WHERE id = ?1"

--- Since when an extension is paused, by its name; nil: it is not.
---@param host table
---@param name string
---@return string?
function M.since(host, name)
  local row = host:query([[SELECT p.paused_at FROM extension_pause p JOIN extension e ON e.id = p.extension_id
    WHERE e.name = ?1]], { name })[1]
  return row and row.paused_at
end

local function change(host, name, id, action, steps)
  local about = { type = "extension_activation", operation = "host.kit",
    payload = { action = action, extension = name } }
  return chore.run(host, about, function()
    local ok, failure, code = host:transaction(steps)
    if not ok then return nil, problem.from(failure, code) end
    lifecycle.tell(host, id, action, { name = name })
    return true
  end)
end

--- Pauses an extension, or lets it be called again. What is so already stays so, without an event.
---@param host table
---@param name string
---@param id string extension.id
---@param paused boolean
---@return boolean? changed
---@return Problem?
function M.set(host, name, id, paused)
  if (M.since(host, name) ~= nil) == paused then return false end
  local ok, why
  if paused then
    ok, why = change(host, name, id, "pause", { { PAUSE, { id, host:now() } }, { SHOW, { id, "paused" } } })
  else
    ok, why = change(host, name, id, "resume", { { RESUME, { id } } })
    if ok then ok, why = lifecycle.settle(host) end
  end
  if not ok then return nil, why end
  return true
end

return M
