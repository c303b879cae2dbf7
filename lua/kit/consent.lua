--- Asks the person whether an extension may do what its manifest asks for, when it is installed and when that changes.
local json = require "sy.json"
local permissions = require "kit.permissions"
local problem = require "kit.problem"
local term = require "sy.term"

local M = {}

---@class ConsentRequest
---@field new table manifest
---@field old table? manifest of the version in use
---@field from string where it comes from

local function same(a, b)
  return a and json.encode(a.capabilities) == json.encode(b.capabilities)
end

local function tell(ctx, request)
  local about = request.new.extension
  ctx:note(("%s %s from %s"):format(about.name, about.version, request.from))
  for _, sentence in ipairs(permissions.words(request.new.capabilities)) do ctx:note("  " .. sentence) end
  ctx:note("  A call gets " .. permissions.limits(request.new.capabilities))
end

--- Whether it may. `--yes` says so beforehand; without a terminal nobody can be asked.
---@param ctx Context
---@param request ConsentRequest
---@return boolean?, Problem?
function M.ask(ctx, request)
  if same(request.old, request.new) then return true end
  tell(ctx, request)
  if ctx.options.yes then return true end
  local name = request.new.extension.name
  if ctx.json or not ctx.terminal.stdin or not ctx.terminal.stderr then
    return problem.fail("permission_denied", ("nobody is here to say whether %s may do this"):format(name),
      { hint = "--yes   says so beforehand; nothing was changed" })
  end
  term.write(2, "May it? [y/N] ")
  local line = term.read_line(0)
  if line and (line:lower() == "y" or line:lower() == "yes") then return true end
  return problem.fail("permission_denied", ("%s may not, so nothing was changed"):format(name))
end

return M
