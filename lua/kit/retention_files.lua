--- The files of .symphony: how large its parts are, and which of them nobody needs.
local paths = require "kit.paths"
local time = require "sy.time"

local M = {}

local DAY_MS = 86400000
local BACKUPS = 3

local function folder_size(dir)
  local total = 0
  for _, name in ipairs(paths.names(dir) or {}) do
    local path = paths.join(dir, name)
    local st = paths.stat(path, false)
    if st and st.type == "directory" then total = total + folder_size(path) end
    if st and st.type ~= "directory" then total = total + st.size end
  end
  return total
end

--- How large the parts of .symphony are.
---@param host table
---@param place Place
---@return { database: integer, artifacts: integer, out: integer, backup: integer }
function M.sizes(host, place)
  local function file(name)
    local st = paths.stat(paths.join(place.state_dir, name), false)
    return st and st.size or 0
  end
  local stored = host:query("SELECT coalesce(sum(stored_size), 0) AS n FROM blob WHERE content IS NULL", {})[1].n
  return {
    database = file "symphony.db" + file "symphony.db-wal",
    artifacts = stored,
    out = folder_size(paths.join(place.state_dir, "out")),
    backup = folder_size(paths.join(place.state_dir, "backup")),
  }
end

--- Files in .symphony that nobody needs: results of runs that are gone, leftovers of writing that was cut off, copies
--- from before upgrades but for the newest few.
---@param host table
---@param place Place
---@return string[]
function M.old(host, place)
  local out, hosts, backup = paths.join(place.state_dir, "out"), paths.join(place.state_dir, "hosts"),
    paths.join(place.state_dir, "backup")
  local list, written, runs = {}, paths.names(out) or {}, {}
  local yesterday = time.now_ms() - DAY_MS
  local function leftover(dir, name, pattern)
    local path = paths.join(dir, name)
    local st = name:match(pattern) and paths.stat(path, false)
    if st and st.mtime_ms < yesterday then list[#list + 1] = path end
  end
  for _, row in ipairs(host:query("SELECT number FROM pipeline_orchestration", {})) do
    runs[tostring(row.number)] = true
  end
  for _, name in ipairs(written) do
    local dir = paths.join(out, name)
    if name:match "^%d+$" and not runs[name] then
      list[#list + 1] = dir
    else
      for _, inner in ipairs(paths.names(dir) or {}) do leftover(dir, inner, "^%.sy%-%x+%.tmp$") end
    end
  end
  for _, name in ipairs(paths.names(hosts) or {}) do leftover(hosts, name, "%.new$") end
  local copies = {}
  for _, name in ipairs(paths.names(backup) or {}) do
    local stamp = name:match "^schema%-%d+%-(.+)%.db$"
    if stamp then copies[#copies + 1] = { stamp = stamp, path = paths.join(backup, name) } end
  end
  table.sort(copies, function(a, b) return a.stamp > b.stamp end)
  for i = BACKUPS + 1, #copies do list[#list + 1] = copies[i].path end
  return list
end

return M
