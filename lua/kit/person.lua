--- The person at this machine: folders, name, and the rows that stand for them.
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local system = require "sy.system"

local M = {}

local function home()
  return os.getenv "HOME" or system.user().home or "/"
end

local function folder(variable, default)
  local base = os.getenv(variable)
  if not base or base:sub(1, 1) ~= "/" then base = paths.join(home(), default) end
  return paths.join(base, "symphony")
end

--- Where the person's settings and melodies lie.
---@return string
function M.config_dir() return folder("XDG_CONFIG_HOME", ".config") end

--- Where user.db, installed extensions and trust lie.
---@return string
function M.data_dir() return folder("XDG_DATA_HOME", ".local/share") end

--- Where what can be made again lies.
---@return string
function M.cache_dir() return folder("XDG_CACHE_HOME", ".cache") end

local function unquote(value)
  value = value:gsub("%s+[#;].*$", "")
  return (value:gsub('^"(.*)"$', "%1"))
end

--- user.name and user.email of one git configuration file; includes are not followed.
---@param text string
---@return { name: string?, email: string? }
function M.parse_git(text)
  local found, section = {}, nil
  for line in text:gmatch("[^\r\n]+") do
    section = line:match("^%s*%[%s*([^%]]-)%s*%]") or section
    local key, value = line:match("^%s*(%a+)%s*=%s*(.-)%s*$")
    if key and section and section:lower() == "user" then
      key = key:lower()
      if (key == "name" or key == "email") and value ~= "" then found[key] = unquote(value) end
    end
  end
  return found
end

--- The person's name and e-mail address: what git is told, else the login name and ''.
---@param project_dir? string its git configuration wins
---@return { name: string, email: string }
function M.who(project_dir)
  local files = { "/etc/gitconfig", paths.join(os.getenv "XDG_CONFIG_HOME" or paths.join(home(), ".config"),
    "git/config"),
    paths.join(home(), ".gitconfig") }
  if project_dir then files[#files + 1] = paths.join(project_dir, ".git/config") end
  local found = {}
  for _, file in ipairs(files) do
    local text = paths.read(file)
    for key, value in pairs(text and M.parse_git(text) or {}) do found[key] = value end
  end
  return { name = found.name or system.user().name or tostring(system.user().uid), email = found.email or "" }
end

--- Makes the person's data folder, for this user only.
---@return boolean?, Problem?
function M.prepare()
  local ok, why, code = paths.make(M.data_dir(), tonumber("700", 8))
  if not ok then return problem.fail(code, "the person's folder cannot be made: " .. why) end
  return true
end

--- Tells the host who opened it and with which settings; it keeps the rows USER and PROJECT.
---@param host table
---@param place Place
---@param settings Config
---@return boolean?, Problem?
function M.record(host, place, settings)
  local who, effective = M.who(place.dir), json.encode(settings:all())
  local ok, failure, code = host:identity {
    user_dir = M.data_dir(),
    name = who.name,
    email = who.email,
    preferences = effective,
    project = paths.name(place.dir),
    configuration = effective,
  }
  if not ok then return nil, problem.from(failure, code) end
  return true
end

--- Every project this person has used, the one opened last first.
---@return { id: string, name: string, path: string, created_at: string, opened_at: string }[]?
---@return Problem?
function M.projects()
  if not paths.stat(paths.join(M.data_dir(), "user.db")) then return {} end
  local list, failure, code = require("sy.core").projects(M.data_dir())
  if not list then return nil, problem.from(failure, code) end
  return list
end

return M
