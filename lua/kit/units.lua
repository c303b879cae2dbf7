--- Sizes ("64MiB") and durations ("30s") as people write them.
local M = {}

local SIZES = { B = 1, KiB = 1024, MiB = 1024 ^ 2, GiB = 1024 ^ 3, TiB = 1024 ^ 4,
  kB = 1000, MB = 1000 ^ 2, GB = 1000 ^ 3 }
local DURATIONS = { ms = 1, s = 1000, m = 60000, min = 60000, h = 3600000, d = 86400000 }

local function read(text, units)
  if type(text) ~= "string" then return nil end
  local number, unit = text:match("^(%d+%.?%d*)%s*(%a+)$")
  if not number or not units[unit] then return nil end
  return math.tointeger(math.floor(tonumber(number) * units[unit] + 0.5))
end

--- Bytes of "64MiB"; nil when it is no size.
---@param text any
---@return integer?
function M.bytes(text) return read(text, SIZES) end

--- Milliseconds of "30s"; nil when it is no duration.
---@param text any
---@return integer?
function M.milliseconds(text) return read(text, DURATIONS) end

return M
