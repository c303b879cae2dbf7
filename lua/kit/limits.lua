--- The limits of the host, as it is opened with them: out of the settings limits.*.
local readers = require "melody.readers"

local M = {}

--- "extension git" and the field of it that a key sets; nil: the key is no such limit.
local function of(key)
  local kind, name, field = key:match("^limits%.(%l+)%.([%w_-]+)%.(%l+)$")
  if not kind then return nil end
  return kind .. " " .. name, field
end

--- The limits of a host.
---@param settings Config
---@return { tasks: integer, age_ms: integer, named: { name: string, parallel: integer?, rate: table? }[],
---  players: table<string, integer> }
function M.read(settings)
  local list, by_name = {}, {}
  for _, setting in ipairs(settings:list()) do
    local name, field = of(setting.key)
    local value = name and settings:get(setting.key)
    if name and not by_name[name] then
      by_name[name] = { name = name }
      list[#list + 1] = by_name[name]
    end
    if field == "parallel" then by_name[name].parallel = value end
    if field == "rate" and value ~= "" then by_name[name].rate = readers.rate(value) end
  end
  local players = {}
  for _, name in ipairs { "calls", "window_ms", "min_calls", "rest_ms", "rest_max_ms", "trials" } do
    players[name] = settings:get("players." .. name)
  end
  return { tasks = settings:get "limits.tasks", age_ms = settings:get "limits.age_ms", named = list, players = players }
end

return M
