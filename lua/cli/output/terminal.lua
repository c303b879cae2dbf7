--- What the streams are: terminals or not, how wide, which letters.
local term = require "sy.term"

local M = {}

local DEFAULT_COLUMNS = 80

--- Whether the locale's letters are UTF-8, by the variables in their order of precedence.
---@param env fun(name: string): string?
---@return boolean
function M.is_utf8(env)
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = env(name)
    if value and value ~= "" then return value:lower():gsub("%-", ""):find("utf8", 1, true) ~= nil end
  end
  return false
end

--- Looks at the streams of this process.
---@return { stdin: boolean, stdout: boolean, stderr: boolean, columns: integer, utf8: boolean, no_color: boolean }
function M.look()
  local dumb = os.getenv "TERM" == "dumb"
  local columns = tonumber(os.getenv "COLUMNS" or "")
  return {
    stdin = term.isatty(0),
    stdout = term.isatty(1) and not dumb,
    stderr = term.isatty(2) and not dumb,
    columns = term.size(1) or columns or DEFAULT_COLUMNS,
    utf8 = M.is_utf8(os.getenv),
    no_color = (os.getenv "NO_COLOR" or "") ~= "",
  }
end

return M
