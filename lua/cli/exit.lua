--- Exit codes, of commands and of errors by their name.
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
    for _, entry in ipairs(require("cli.error_help")) do codes[entry.code] = entry.exit end
  end
  return codes[name] or M.FAILED
end

return M
