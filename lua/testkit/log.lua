--- Inside an isolate under test: `log`, whose records are in testing.last().logs.
local state = require "testing.state"

local M = {}

for _, level in ipairs { "debug", "info", "warn", "error" } do
  M[level] = function(text)
    table.insert(state.last.logs, { level = level, text = tostring(text) })
  end
end

return M
