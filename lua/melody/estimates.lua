--- Whether operations say before a call how much money or how many tokens it may use.
local M = {}

--- The units (usd, tokens) of a budget that an operation may use without saying how much.
---@param operation { spends: boolean, estimate: table?, estimates: boolean? } estimates: its code may say it
---@param budget { usd_micro: integer?, tokens: integer? }
---@return string[]
function M.unknown(operation, budget)
  local list, estimate = {}, operation.estimate or {}
  if not operation.spends or operation.estimates then return list end
  if budget.usd_micro and not estimate.usd then list[#list + 1] = "usd" end
  if budget.tokens and not estimate.tokens then list[#list + 1] = "tokens" end
  return list
end

--- What would help.
---@param units string[]
---@return string
function M.hint(units)
  return ("its extension needs `estimate = { %s = … }` for the operation, or a function `estimate` in its code")
    :format(units[1])
end

return M
