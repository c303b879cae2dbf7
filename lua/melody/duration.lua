--- Durations as people write them: "100ms", "60s", "2m", "1h", "7d".
local M = {}

local UNITS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
local MAX_MS = 366 * UNITS.d

--- Milliseconds of a duration.
---@param text any
---@return integer? ms
---@return string? message
function M.parse(text)
  local number, unit = tostring(text):match("^(%d+%.?%d*)(%a+)$")
  local ms = type(text) == "string" and UNITS[unit] and tonumber(number) * UNITS[unit]
  if not ms then return nil, ('%s is no duration: write "100ms", "60s", "2m", "1h" or "7d"'):format(M.quote(text)) end
  if ms < 1 or ms > MAX_MS then return nil, ("the duration %s is not between 1ms and 366d"):format(M.quote(text)) end
  return math.floor(ms + 0.5)
end

--- A count of milliseconds that came as such.
---@param value any
---@return integer? ms
---@return string? message
function M.milliseconds(value)
  local ms = math.type(value) and math.tointeger(value)
  if not ms or ms < 1 or ms > MAX_MS then return nil, ("%s is no number of milliseconds"):format(M.quote(value)) end
  return ms
end

--- A value as it would be written, for messages.
---@param value any
---@return string
function M.quote(value)
  if type(value) == "string" then return '"' .. value .. '"' end
  if type(value) == "table" then return "a table" end
  return tostring(value)
end

--- The shortest exact text of a count of milliseconds: 60000 → "1m".
---@param ms integer
---@return string
function M.format(ms)
  for _, unit in ipairs { "d", "h", "m", "s" } do
    if ms > 0 and ms % UNITS[unit] == 0 then return ("%d%s"):format(ms // UNITS[unit], unit) end
  end
  return ("%dms"):format(ms)
end

return M
