--- Exit codes, of commands and of errors by their name.
local core = require "sy.core"

local M = {}

M.DONE = 0
M.FAILED = 1
M.USAGE = 2
M.DENIED = 3
M.NOT_FOUND = 4
M.WAITS = 5
M.INTERRUPTED = 130

local codes

--- The exit code of an error's name; 1 for names of extensions.
---@param name string
---@return integer
function M.of(name)
  if not codes then
    codes = {}
    for _, row in ipairs(core.errors()) do codes[row.code] = row.exit end
  end
  return codes[name] or M.FAILED
end

return M
