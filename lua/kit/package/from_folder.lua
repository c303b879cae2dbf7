--- A package out of a folder: its files, without what begins with a dot, and without other packages.
local content = require "kit.package.content"
local fs = require "sy.fs"
local paths = require "kit.paths"
local problem = require "kit.problem"
local rules = require "kit.package.rules"

local M = {}

local MAX_DEPTH = 16

local SECRETS = { "^%.env$", "^%.env%.", "%.key$", "%.pem$", "%.p12$", "%.pfx$", "^id_rsa", "^id_ed25519", "^id_ecdsa",
  "^%.npmrc$", "^%.netrc$", "^%.pypirc$", "^credentials%.?%l*$", "^secrets?%.%l+$" }

local function looks_secret(name)
  for _, pattern in ipairs(SECRETS) do
    if name:lower():match(pattern) then return true end
  end
  return false
end

local function left_out(name)
  return name:sub(1, 1) == "." or name:match "%.sympkg$" or name:match "%.minisig$"
end

local walk

local function visit(self, path, relative, depth)
  local st = paths.stat(path, false)
  if not st then return rules.refuse(self.content.shown, relative .. " went away while it was read") end
  if st.type == "directory" then
    if depth >= MAX_DEPTH then return rules.refuse(self.content.shown, relative .. " lies too deep") end
    return walk(self, path, relative .. "/", depth + 1)
  elseif st.type ~= "file" then
    return rules.refuse(self.content.shown, relative .. " is a link or a device; a package has files only")
  elseif st.size > rules.LIMITS.entry_bytes then
    return rules.refuse(self.content.shown, relative .. " is larger than 16 MiB")
  end
  local bytes, message = fs.read(path, { max = rules.LIMITS.entry_bytes })
  if not bytes then return problem.fail("io_error", message) end
  return self.content:add(relative, bytes)
end

walk = function(self, dir, below, depth)
  local names, message, code = fs.list(dir)
  if not names then return problem.fail(code, message) end
  for _, one in ipairs(names) do
    local relative = below .. one.name
    if self.secrets and looks_secret(one.name) then
      return rules.refuse(self.content.shown, relative .. " looks like a secret and would be given away",
        "move it out of the folder")
    end
    if not left_out(one.name) then
      local ok, why = visit(self, paths.join(dir, one.name), relative, depth)
      if not ok then return nil, why end
    end
  end
  return true
end

--- Reads a folder.
---@param dir string
---@param options? { secrets: boolean? } secrets: refuse what looks like one
---@return PackageContent?, Problem?
function M.read(dir, options)
  local self = { content = content.new(dir), secrets = options and options.secrets }
  if not paths.stat(paths.join(dir, rules.MANIFEST)) then return self.content:finish() end
  local ok, why = walk(self, dir, "", 0)
  if not ok then return nil, why end
  return self.content:finish()
end

return M
