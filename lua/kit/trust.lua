--- Which projects may run their own code: a record of real path and owner under the person's data,
--- never in the project. One line a project in the file `trust`: UID, a tab, the path.
local paths = require "kit.paths"
local person = require "kit.person"
local person_file = require "kit.person_file"
local problem = require "kit.problem"
local system = require "sy.system"

local M = {}

local function file()
  return paths.join(person.data_dir(), "trust")
end

local function escape(path)
  return (path:gsub("[%%\t\n\r]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function parse(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do
    local uid, path = line:match("^(%d+)\t(.+)$")
    if uid then list[#list + 1] = { path = unescape(path), uid = math.tointeger(tonumber(uid)) } end
  end
  return list
end

--- Whether nobody else could have written it.
local function ours()
  local st = paths.stat(file())
  return st ~= nil and st.uid == system.user().uid and st.mode & tonumber("022", 8) == 0
end

--- Every trusted project: {path, uid}.
---@return { path: string, uid: integer }[]
function M.list()
  return ours() and parse(paths.read(file()) or "") or {}
end

--- Changes the list while no other process does; `change` says whether it did.
local function update(change)
  local changed, why = person_file.update("trust", function(text)
    local list, lines = ours() and parse(text) or {}, {}
    if not change(list) then return nil, false end
    for i, entry in ipairs(list) do lines[i] = ("%d\t%s\n"):format(entry.uid, escape(entry.path)) end
    return table.concat(lines), true
  end)
  if changed == nil then
    return nil, problem.new(why.code, "trust cannot be recorded: " .. why.message, { hint = why.hint })
  end
  return changed
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
  return update(function(list)
    local at = find(list, entry)
    if at and list[at].uid == entry.uid then return false end
    list[at or #list + 1] = entry
    return true
  end)
end

--- Takes trust back.
---@param dir string
---@return boolean? changed
---@return Problem?
function M.revoke(dir)
  local entry = identity(dir) or { path = dir }
  if not find(M.list(), entry) then return false end
  return update(function(list)
    local at = find(list, entry)
    return at ~= nil and table.remove(list, at) ~= nil
  end)
end

return M
