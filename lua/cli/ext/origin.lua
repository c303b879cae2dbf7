--- Where an extension came from and where it therefore runs, as ext show tells it.
local isolation = require "kit.isolation"
local json = require "sy.json"
local null = require "kit.null"
local text = require "cli.output.text"

local or_null = null.of

local M = {}

--- {isolation, reason, packages, installed}: fields of the document.
---@param entry ExtensionEntry loaded
---@return table
function M.document(entry)
  local where, reason = isolation.of(entry)
  local packages, installed = json.array {}, json.null
  for i, used in ipairs(entry.packages) do
    packages[i] = { name = used.name, version = used.one.version, hash = used.one.hash }
  end
  if entry.package then
    local one = entry.package.one
    installed = { from = one.from, origin = one.origin, revision = or_null(one.revision), hash = one.hash,
      at = one.installed_at, signed_by = or_null(one.signature.signer or one.signature.key),
      signature = one.signature.state }
  end
  return { isolation = where, reason = reason, packages = packages, installed = installed }
end

--- The same in words; nothing for what is bundled.
---@param ctx Context
---@param entry ExtensionEntry loaded
function M.print(ctx, entry)
  if entry.origin == "bundled" then return end
  if entry.package then ctx:print("from " .. text.clean(entry.package.one.from)) end
  for _, used in ipairs(entry.packages) do ctx:print(("with %s %s"):format(used.name, used.one.version)) end
  local where, reason = isolation.of(entry)
  if where == "process" then ctx:print("in a process of its own: " .. reason) end
end

return M
