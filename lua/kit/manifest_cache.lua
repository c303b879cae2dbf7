--- What an operation must be like for its results to be used again: declared `cache`, pure, its children's reads named.
local M = {}

--- What is wrong with `cache = true` of an operation; nil: nothing.
---@param name string
---@param operation table
---@param capabilities table
---@return string? message
---@return string? hint
---@return boolean? warning it is only not cached
function M.problem(name, operation, capabilities)
  if operation.cache ~= true then return nil end
  if operation.effects == "write" or operation.effects == "external" then
    return ("cache = true is for operations that change nothing; the effects of %s are \"%s\""):format(name,
      operation.effects)
  end
  if #(capabilities.process or {}) > 0 and #(operation.reads or {}) == 0 then
    return ("%s is not cached: it may start programs and has no `reads`"):format(name),
      'reads = ["$input.path"]   says what they read', true
  end
end

return M
