--- Makes everything in a project that has ended do so in 2020, as no user would: `require "aged"(dir)`. Nobody else may
--- have the project open.
local core = require "sy.core"
local support = require "support"

local AGED = {
  "UPDATE pipeline_orchestration SET created_at = '2020' || substr(created_at, 5), completed_at = '2020' || "
    .. "substr(completed_at, 5) WHERE status IN ('completed', 'failed', 'cancelled')",
  "UPDATE task SET completed_at = '2020' || substr(completed_at, 5)",
  "UPDATE blob SET last_used_at = '2020' || substr(last_used_at, 5)",
  "UPDATE cache_entry SET last_used_at = '2020' || substr(last_used_at, 5)",
  "UPDATE session SET ended_at = '2020' || substr(ended_at, 5)",
  "UPDATE project SET created_at = '2020' || substr(created_at, 5)",
}

---@param dir string the project's folder
---@param files? boolean contents of artifacts, too
return function(dir, files)
  local host = assert(core.open { project = dir, user_dir = dir .. "/user" })
  local ok, why = pcall(function()
    for _, sql in ipairs(AGED) do assert(host:write(sql, {})) end
  end)
  host:close()
  assert(ok, why)
  if files then
    support.sh("find .symphony/artifacts -type f ! -name .lock -exec touch -d 2020-01-01 {} +", { cwd = dir })
  end
end
