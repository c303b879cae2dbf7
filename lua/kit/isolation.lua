--- Where the code of an extension runs: what came from elsewhere in a process of its own, unless the person trusts it.
local M = {}

---@alias Isolation "process"|"in-process"

--- The isolation that an extension needs at least, and why.
---@param entry ExtensionEntry loaded
---@return Isolation
---@return string reason
function M.of(entry)
  for _, one in ipairs(entry.packages or {}) do
    if not one.trusted then return "process", ("it depends on %s, which came from elsewhere"):format(one.name) end
  end
  if entry.origin == "bundled" then return "in-process", "it is bundled" end
  if entry.origin == "project" then return "in-process", "it is the project's own" end
  if not entry.package then return "in-process", "it is yours" end
  if entry.package.trusted then return "in-process", "you trust it" end
  return "process", "it came from elsewhere"
end

return M
