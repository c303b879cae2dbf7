--- The outline operator.

local summary = require "summary"

local M = {}

function M.summarise(input)
  local text, first = summary.text(input.patch, input.max_files or 30, input.partial)
  return {text = text, summary = first}
end

return M
