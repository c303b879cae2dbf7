--- What is known of players: their state, and what their calls did within the window. For those who look; who is chosen
--- is decided in core/pit/player.
local null = require "kit.null"

local M = {}

---@class PlayerStanding
---@field name string "acme/search", "llm:qwen2.5"
---@field state "eligible"|"suspended"|"probation"
---@field reason string?
---@field since string?
---@field until_at string? while it is suspended
---@field calls integer in the window
---@field failed integer
---@field error_rate number?
---@field p95_ms integer?

local STATES = "SELECT * FROM player WHERE extension_id = (SELECT id FROM extension WHERE name = ?1) ORDER BY name"

local CALLS = [[
SELECT ms, failed, ended_at FROM (SELECT * FROM player_call WHERE player = ?1 ORDER BY seq DESC LIMIT ?2)
WHERE (julianday(?3) - julianday(ended_at)) * 86400000 < ?4]]

local function figures(host, row, settings)
  local times, failed = {}, 0
  local list = host:query(CALLS, { row.name, settings:get "players.calls", host:now(),
    settings:get "players.window_ms" })
  for _, call in ipairs(list) do
    if row.state ~= "eligible" or call.ended_at > row.since then
      times[#times + 1] = call.ms
      failed = failed + call.failed
    end
  end
  table.sort(times)
  return #times, failed, times[(#times * 95 + 99) // 100]
end

--- The players of an extension that were called here.
---@param host table
---@param name string
---@param settings Config
---@return PlayerStanding[]
function M.of(host, name, settings)
  local list = {}
  for i, row in ipairs(host:query(STATES, { name })) do
    local calls, failed, p95 = figures(host, row, settings)
    list[i] = {
      name = row.name,
      state = row.state,
      reason = not null.is(row.reason) and row.reason or nil,
      since = row.since,
      until_at = row.state == "suspended" and row["until"] or nil,
      calls = calls,
      failed = failed,
      error_rate = calls > 0 and failed / calls or nil,
      p95_ms = p95,
    }
  end
  return list
end

--- A standing in one line.
---@param one PlayerStanding
---@return string
function M.line(one)
  if one.state == "eligible" then
    local seen = one.calls == 0 and "no calls yet"
      or ("%d of the last %d calls failed, p95 %d ms"):format(one.failed, one.calls, one.p95_ms)
    return ("%s: eligible; %s"):format(one.name, seen)
  end
  local when = one.until_at and " until " .. one.until_at or ""
  return ("%s: %s%s, because %s"):format(one.name, one.state, when, one.reason or "it was")
end

--- The standings as documents have them.
---@param list PlayerStanding[]
---@return table
function M.document(list)
  local documents = require("sy.json").array {}
  for i, one in ipairs(list) do
    documents[i] = { name = one.name, state = one.state, reason = null.of(one.reason), since = one.since,
      ["until"] = null.of(one.until_at), calls = one.calls, failed = one.failed,
      error_rate = null.of(one.error_rate), p95_ms = null.of(one.p95_ms) }
  end
  return documents
end

return M
