--- Which projects may run their own code: a record of real path and owner under the person's data,
--- never in the project. One line a project in the file `trust`: UID, a tab, the path.
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"
local system = require "sy.system"

local M = {}

local MODE = tonumber("600", 8)

local function file()
  return paths.join(person.data_dir(), "trust")
end

local function escape(path)
  return (path:gsub("[%%\t\n\r]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Every trusted project: {path, uid}.
---@return { path: string, uid: integer }[]
function M.list()
  local list = {}
  local st = paths.stat(file())
  if not st or st.uid ~= system.user().uid or st.mode & tonumber("022", 8) ~= 0 then return list end
  for line in (paths.read(file()) or ""):gmatch("[^\n]+") do
    local uid, path = line:match("^(%d+)\t(.+)$")
    if uid then list[#list + 1] = { path = unescape(path), uid = math.tointeger(tonumber(uid)) } end
  end
  return list
end

local function save(list)
  local lines = {}
  for i, entry in ipairs(list) do lines[i] = ("%d\t%s\n"):format(entry.uid, escape(entry.path)) end
  local ok, why = person.prepare()
  if not ok then return nil, why end
  local written, message, code = paths.write(file(), table.concat(lines), MODE)
  if not written then return problem.fail(code, "trust cannot be recorded: " .. message) end
  return true
end

local function identity(dir)
  local real, message, code = paths.real(dir)
  if not real then return problem.fail(code, message) end
  return { path = real, uid = paths.stat(real).uid }
end

local function find(list, entry)
  for i, one in ipairs(list) do
    if one.path == entry.path then return i end
  end
  return nil
end

--- Whether a project was trusted at this path with this owner.
---@param dir string
---@return boolean
function M.trusted(dir)
  local entry = identity(dir)
  if not entry then return false end
  local list = M.list()
  local at = find(list, entry)
  return at ~= nil and list[at].uid == entry.uid
end

--- Trusts a project.
---@param dir string
---@return boolean? changed
---@return Problem?
function M.grant(dir)
  local entry, why = identity(dir)
  if not entry then return nil, why end
  local list = M.list()
  local at = find(list, entry)
  if at and list[at].uid == entry.uid then return false end
  list[at or #list + 1] = entry
  local ok, bad = save(list)
  if not ok then return nil, bad end
  return true
end

--- Takes trust back.
---@param dir string
---@return boolean? changed
---@return Problem?
function M.revoke(dir)
  local entry = identity(dir) or { path = dir }
  local list = M.list()
  local at = find(list, entry)
  if not at then return false end
  table.remove(list, at)
  local ok, bad = save(list)
  if not ok then return nil, bad end
  return true
end

return M
