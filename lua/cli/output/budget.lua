--- What a run may use, what it has used, and what is left.
local json = require "sy.json"
local null = require "kit.null"
local text = require "cli.output.text"
local time = require "sy.time"

local is_null = null.is

local M = {}

local SPENT = [[
SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(cost_tokens), 0) AS tokens,
  coalesce(sum(execution_context ->> '$.cpu_ms'), 0) AS cpu_ms,
  coalesce(sum(execution_context ->> '$.unsettled.usd_micro'), 0) AS unsettled_usd,
  coalesce(sum(execution_context ->> '$.unsettled.tokens'), 0) AS unsettled_tokens
FROM task WHERE pipeline_orchestration_id = ?1 AND key <> '' AND operation NOT GLOB 'host.*']]

local UNITS = { "usd", "tokens", "wall_ms", "cpu_ms" }

local function stored(run)
  local options = is_null(run.options) and {} or json.decode(run.options)
  return type(options) == "table" and type(options.budget) == "table" and options.budget or nil
end

local function wall_ms(run)
  local living = is_null(run.completed_at) and run.status == "running" and not is_null(run.started_at)
  if not living then return run.cost_ms or 0 end
  return math.max(0, time.now_ms() - time.parse_iso(run.started_at))
end

local function spent_by(host, run)
  local row = host:query(SPENT, { run.id })[1]
  return {
    usd = row.usd + row.unsettled_usd / 1000000,
    tokens = row.tokens + row.unsettled_tokens,
    cpu_ms = math.floor(row.cpu_ms),
    wall_ms = wall_ms(run),
  }
end

--- The budget of a run: {limits, spent, left, on_breach}; what running calls have reserved counts as spent.
---@param host table
---@param run table
---@return table? nil: it has none
function M.of(host, run)
  local budget = stored(run)
  if not budget then return nil end
  local limits = { usd = budget.usd_micro and budget.usd_micro / 1000000, tokens = budget.tokens,
    wall_ms = budget.wall_ms, cpu_ms = budget.cpu_ms }
  if next(limits) == nil then return nil end
  local spent, left = spent_by(host, run), {}
  for _, unit in ipairs(UNITS) do
    if limits[unit] then left[unit] = math.max(0, limits[unit] - spent[unit]) else spent[unit] = nil end
  end
  if left.usd then left.usd = math.floor(left.usd * 1000000 + 0.5) / 1000000 end
  return { limits = limits, spent = spent, left = left, on_breach = budget.on_breach or "stop" }
end

local SHOWN = {
  usd = function(n) return ("%.2f"):format(n), "usd" end,
  tokens = function(n) return ("%d"):format(n), "tokens" end,
  wall_ms = function(n) return text.duration(n), nil end,
  cpu_ms = function(n) return text.duration(n), "of CPU" end,
}

--- The same in a line: "0.12 of 0.50 usd left, 900 of 20000 tokens left".
---@param budget table
---@return string
function M.line(budget)
  local parts = {}
  for _, unit in ipairs(UNITS) do
    if budget.limits[unit] then
      local left = SHOWN[unit](budget.left[unit])
      local limit, name = SHOWN[unit](budget.limits[unit])
      parts[#parts + 1] = ("%s of %s%s left"):format(left, limit, name and " " .. name or "")
    end
  end
  return table.concat(parts, ", ")
end

return M
