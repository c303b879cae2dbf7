--- The project's folder: found, made, and refused when its .symphony is someone else's.
local paths = require "kit.paths"
local problem = require "kit.problem"
local system = require "sy.system"
local trust = require "kit.trust"

local M = {}

---@class Place
---@field dir string real path of the project's folder
---@field state_dir string its .symphony
---@field exists boolean whether .symphony is there
---@field trusted boolean whether its own melodies and extensions may run
---@field asks? fun(entry: ExtensionEntry, decision: Decision?): Decision?, Problem? asks the person whether an
---extension may be used; nil without a problem: nobody is here
---@field repository string? a Git repository below `dir` that the search came through

local function upwards(from, name)
  local dir = from
  while true do
    if paths.stat(paths.join(dir, name), false) then return dir end
    if dir == "/" then return nil end
    dir = paths.parent(dir)
  end
end

--- The repository that the search came through on its way up to a project: people may have meant that.
local function passed(from, dir)
  local repository = upwards(from, ".git")
  return repository and #repository > #dir and repository or nil
end

local function search(from)
  return upwards(from, ".symphony") or upwards(from, ".git") or from
end

--- Finds the project: `typed`, else the nearest folder upwards with .symphony, else with .git, else the current one.
---@param typed? string
---@return Place?, Problem?
function M.find(typed)
  local start, message, code = paths.real(typed or ".")
  if not start then return problem.fail(code, "the project's folder: " .. message) end
  if paths.kind(start) ~= "directory" then
    return problem.fail("usage", ("--project names a folder, not %s"):format(typed))
  end
  local dir = typed and start or search(start)
  local state_dir = paths.join(dir, ".symphony")
  return {
    dir = dir,
    state_dir = state_dir,
    exists = paths.stat(state_dir, false) ~= nil,
    trusted = trust.trusted(dir),
    repository = not typed and passed(start, dir) or nil,
  }
end

--- Refuses a .symphony that this user did not make, or that leads elsewhere.
---@param place Place
---@return boolean?, Problem?
function M.check(place)
  local st = paths.stat(place.state_dir, false)
  if not st then return true end
  if st.type ~= "directory" then
    return problem.fail("not_trusted", ("%s is not a folder of its own"):format(place.state_dir),
      { hint = "remove it, or work in another folder with --project" })
  end
  local uid = system.user().uid
  if st.uid ~= uid then
    return problem.fail("not_trusted", ("%s was made by another user (uid %d, you are %d)"):format(place.state_dir,
      st.uid, uid),
      { hint = "remove it, or copy the project to a folder of yours" })
  end
  return true
end

--- Whether a host may be opened here; the host itself makes .symphony.
---@param place Place
---@param create boolean false: `not_found` when there is none yet
---@return boolean?, Problem?
function M.prepare(place, create)
  local ok, why = M.check(place)
  if not ok then return nil, why end
  if place.exists or create then return true end
  return problem.fail("not_found", ("nothing has run in %s yet"):format(place.dir),
    { hint = "symphony run hello   is a first run" })
end

--- Whether the folder already had something of Symphony's that could run.
---@param dir string
---@return string? what was there
function M.had(dir)
  for _, name in ipairs { ".symphony", "melodies", "extensions" } do
    if paths.stat(paths.join(dir, name), false) then return name end
  end
  return nil
end

return M
