--- Budgets as people write them: "0.05usd", "20000tok", "90s", "10scpu", several in a list or by name in a table;
--- stored as {usd_micro, tokens, wall_ms, cpu_ms, on_breach}.
local duration = require "melody.duration"

local M = {}

local MAX_USD = 1000000
local MICRO = 1000000
local BREACH = { stop = true, ask = true, downgrade = true }

local function usd(value)
  local number = tonumber(value)
  if not number or number ~= number or number < 0 or number > MAX_USD then
    return nil, ("%s is no sum from 0 to %d usd"):format(duration.quote(value), MAX_USD)
  end
  return math.floor(number * MICRO + 0.5)
end

local function count(value)
  local number = math.type(value) and math.tointeger(value)
  if number and number >= 0 then return number end
  return nil, ("%s is no whole number from 0"):format(duration.quote(value))
end

local function breach(value)
  if BREACH[value] then return value end
  return nil, ('on_breach: %s is none of "stop", "ask", "downgrade"'):format(duration.quote(value))
end

local FIELDS = {
  usd = { "usd_micro", usd }, usd_micro = { "usd_micro", count }, tokens = { "tokens", count },
  wall = { "wall_ms", duration.parse }, wall_ms = { "wall_ms", duration.milliseconds },
  cpu = { "cpu_ms", duration.parse }, cpu_ms = { "cpu_ms", duration.milliseconds },
  on_breach = { "on_breach", breach },
}

--- One text: name of the stored field, and its value.
---@param text string
---@return string? field
---@return integer|string value or what is wrong
function M.parse(text)
  local number, unit = tostring(text):match("^%s*(%d+%.?%d*)%s*(%a+)%s*$")
  if unit == "usd" then
    local micro, message = usd(number)
    return micro and "usd_micro", micro or message
  elseif unit == "tok" or unit == "tokens" then
    return "tokens", math.floor(tonumber(number))
  end
  local span, cpu = tostring(text):match("^%s*(%d+%.?%d*%a-)%s*(c?p?u?)%s*$")
  local ms = span and (cpu == "" or cpu == "cpu") and duration.parse(span)
  if not ms then
    return nil, ('%s is no budget: write "0.50usd", "20000tok", "90s" or "10scpu"'):format(duration.quote(text))
  end
  return cpu == "cpu" and "cpu_ms" or "wall_ms", ms
end

local function add(out, field, value)
  if out[field] ~= nil then return nil, ("`%s` is limited twice"):format((field:gsub("_%a+$", ""))) end
  out[field] = value
  return out
end

local function add_text(out, text)
  local field, value = M.parse(text)
  if not field then return nil, value end
  return add(out, field, value)
end

local function add_named(out, name, value)
  local field = FIELDS[name]
  if not field then
    return nil, ("it has no field `%s`, only usd, tokens, wall, cpu, on_breach"):format(tostring(name))
  end
  local read, message = field[2](value)
  if read == nil then return nil, message end
  return add(out, field[1], read)
end

--- A budget in any of its forms, in the one that is stored.
---@param value any
---@return table? budget
---@return string? message
function M.read(value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then return nil, ("%s is no budget"):format(duration.quote(value)) end
  local out = {}
  for name, item in pairs(value) do
    local made, message
    if math.type(name) == "integer" then
      made, message = add_text(out, item)
    else
      made, message = add_named(out, name, item)
    end
    if not made then return nil, message end
  end
  if next(out) == nil or next(out) == "on_breach" and next(out, "on_breach") == nil then
    return nil, "it limits nothing"
  end
  return out
end

return M
