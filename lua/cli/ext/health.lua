--- The health of an extension: its operation `health`, where it has one, called as any other, with its limits. Of a
--- player on probation a good answer is one of the calls that make it eligible again.
local call = require "cli.commands.call"
local document = require "cli.output.document"
local follow = require "cli.follow"
local install = require "kit.install"
local json = require "sy.json"
local registry = require "kit.registry"

local M = {}

---@class ExtensionHealth
---@field ok boolean
---@field output any
---@field failure Problem?

--- Asks an extension how it is.
---@param ctx Context
---@param name string
---@return ExtensionHealth|false|nil health false: it has no operation `health`
---@return Problem?
function M.ask(ctx, name)
  local entry, none = registry.new(ctx:place()):extension(name)
  if not entry then return nil, none end
  if not entry.manifest.operation.health then return false end
  local host, closed = ctx:host()
  if not host then return nil, closed end
  local installed, refused = install.entries(host, { entry })
  if not installed then return nil, refused end
  local row, failed = call.one_task(ctx, host, name .. ".health", name, {})
  if not row then return nil, failed end
  if row.status == "completed" then
    local _, output = next(document.outputs(host, row))
    return { ok = true, output = output }
  end
  return { ok = false, failure = follow.failure(document.run(host, row)) }
end

--- As a document has it.
---@param health ExtensionHealth|false
---@return any
function M.document(health)
  if not health then return json.null end
  local failure = health.failure and require("cli.context").error_document(health.failure)
  return { ok = health.ok, error = failure or json.null }
end

return M
