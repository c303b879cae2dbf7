--- What names, files and sizes a package may have, wherever it comes from.
local problem = require "kit.problem"

local M = {}

--- Of a package, unpacked.
M.LIMITS = { entries = 2000, entry_bytes = 16 << 20, total_bytes = 64 << 20 }

M.MANIFEST = "Symphony.toml"

local NAME_BYTES = 99 -- of a path, as core/io/pack.h has it

--- "textkit", or "acme/textkit" as packages that others depend on are called.
---@param name any
---@return boolean
function M.is_name(name)
  if type(name) ~= "string" or #name > 64 then return false end
  return name:match "^[a-z][a-z0-9_%-]*$" ~= nil or M.is_published_name(name)
end

--- "acme/textkit".
---@param name string
---@return boolean
function M.is_published_name(name)
  return #name <= 64 and name:match "^[a-z][a-z0-9_%-]*/[a-z][a-z0-9_%-]*$" ~= nil
end

--- The file of a package: name-version.sympkg, the slash written as -.
---@param name string
---@param version string
---@return string
function M.file_name(name, version)
  return ("%s-%s.sympkg"):format((name:gsub("/", "-")), version)
end

--- Whether a path may stand in a package: parts of letters, digits, _ . and - that begin with no dot.
---@param path string
---@return boolean
function M.is_path(path)
  if #path == 0 or #path > NAME_BYTES or path:match "^/" or path:match "/$" or path:find("//", 1, true) then
    return false
  end
  for part in path:gmatch "[^/]+" do
    if not part:match "^[%w_%-][%w_.%-]*$" then return false end
  end
  return true
end

--- `nil, problem`: the package cannot be used.
---@param shown string where it lies, for people
---@param why string
---@param hint? string
---@return nil, Problem
function M.refuse(shown, why, hint)
  return problem.fail("file_invalid", ("%s: %s"):format(shown, why), { hint = hint or "nothing was changed" })
end

return M
