--- What doctor looks at. A check gives "ok", "warn" or "fail", what it found, and what to do.
local kernel = require "cli.doctor_kernel"
local paths = require "kit.paths"
local person = require "kit.person"
local project = require "kit.project"
local secrets = require "kit.secrets"
local system = require "sy.system"
local text = require "cli.output.text"

local M = {}

local LOW_BYTES = 512 << 20

--- Programs that bundled operations start, and the Debian package that has each.
local TOOLS = {
  { "git", "git", "git operations and the review melody" },
  { "luacheck", "lua-check", "lint of Lua" },
  { "shellcheck", "shellcheck", "lint of shell scripts" },
  { "clang-tidy", "clang-tidy", "lint of C and C++" },
  { "cppcheck", "cppcheck", "lint of C and C++" },
}

--- Where a program lies on PATH, or nil.
---@param name string
---@return string?
function M.which(name)
  for dir in ((os.getenv "PATH" or "") .. ":"):gmatch("(.-):") do
    local path = paths.join(dir ~= "" and dir or ".", name)
    local st = paths.stat(path)
    if st and st.type == "file" and st.mode & tonumber("111", 8) ~= 0 then return path end
  end
  return nil
end

local function database(ctx)
  local place = ctx:place()
  local ok, why = project.check(place)
  if not ok then return "fail", why.message, why.hint end
  if not place.exists then return "ok", "none yet: nothing has run here" end
  local host, bad = ctx:host { create = false }
  if not host then return "fail", bad.message, bad.hint or "copies from before migrations lie in .symphony/backup/" end
  local rows = host:query("PRAGMA integrity_check(5)", {})
  local first = rows[1] and (rows[1].integrity_check or rows[1][1])
  if first ~= "ok" then return "fail", tostring(first), "copies from before migrations lie in .symphony/backup/" end
  local orphans = host:query("PRAGMA foreign_key_check", {})
  if #orphans > 0 then
    return "fail", ("%d rows refer to nothing"):format(#orphans), "report it with symphony version"
  end
  return "ok", "sound, every row refers to something that is there"
end

local function lua_release()
  local release = system.lua_release
  local patch = tonumber(release:match("5%.4%.(%d+)"))
  if patch and patch < 6 then
    return "warn", release .. " (later releases of 5.4 fix faults)", "keep untrusted extensions out"
  end
  return "ok", release
end

local function tool(name, package, for_what)
  return function()
    local path = M.which(name)
    if path then return "ok", path end
    return "warn", "not installed; needed for " .. for_what, "apt install " .. package
  end
end

local function disk(ctx)
  local place = ctx:place()
  local room = system.disk(place.exists and place.state_dir or place.dir)
  if not room then return "fail", "the disk of the project cannot be asked" end
  if room.free < LOW_BYTES then
    return "warn", text.size(room.free) .. " free", "symphony artifact gc   may free some"
  end
  return "ok", text.size(room.free) .. " free"
end

local function locale(ctx)
  if ctx.terminal.utf8 then return "ok", "UTF-8" end
  return "warn", "not UTF-8: signs are drawn in ASCII", "export LANG=C.UTF-8"
end

local function writable(ctx)
  local place = ctx:place()
  local dir = place.exists and place.state_dir or place.dir
  local probe = paths.join(dir, ".symphony-probe")
  local ok, message = paths.write(probe, "")
  if not ok then return "fail", message, "make it writable, or use --project DIR" end
  os.remove(probe)
  return "ok", dir
end

local function trusted(ctx)
  local place = ctx:place()
  if place.trusted then return "ok", "melodies and extensions of this project may run" end
  return "ok", "not trusted: only bundled melodies and yours run", "symphony trust"
end

local function folders()
  local dir = person.data_dir()
  local st = paths.stat(dir)
  if not st then return "ok", dir .. " (made when needed)" end
  if st.uid ~= system.user().uid then
    return "fail", dir .. " belongs to another user", "set XDG_DATA_HOME to a folder of yours"
  end
  return "ok", dir
end

local function kept_secrets()
  local place, why = secrets.place()
  if place == "keyring" then return "ok", "new ones are kept in the desktop's keyring" end
  local dir = secrets.dir()
  local st = paths.stat(dir, false)
  if st and (st.uid ~= system.user().uid or st.mode & tonumber("022", 8) ~= 0) then
    return "fail", dir .. " may be changed by somebody else: no secret is used", "chmod 700 " .. dir
  end
  return "ok", ("new ones are kept in files only you may read, in %s (%s)"):format(dir, why)
end

M.list = {
  { name = "database", look = database },
  { name = "project", look = writable },
  { name = "trust", look = trusted },
  { name = "your folder", look = folders },
  { name = "secrets", look = kept_secrets },
  { name = "disk", look = disk },
  { name = "Lua", look = lua_release },
}

table.move(kernel.list, 1, #kernel.list, #M.list + 1, M.list)
M.list[#M.list + 1] = { name = "locale", look = locale }

for _, entry in ipairs(TOOLS) do
  M.list[#M.list + 1] = { name = entry[1], look = tool(table.unpack(entry)) }
end

return M
