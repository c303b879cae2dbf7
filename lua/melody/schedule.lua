--- Schedules: five fields (minute, hour, day of the month, month, day of the week) and a time zone, "0 9 * * MON-FRI
--- Europe/Berlin". Without a zone: UTC.
local M = {}

local HINT = "minute hour day month weekday, and a zone: 0 9 * * MON-FRI Europe/Berlin"

local function names(text, first)
  local map, at = {}, first
  for word in text:gmatch("%a+") do
    map[word], at = at, at + 1
  end
  return map
end

local FIELDS = {
  { name = "minute", least = 0, most = 59 },
  { name = "hour", least = 0, most = 23 },
  { name = "day of the month", least = 1, most = 31 },
  { name = "month", least = 1, most = 12, names = names("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1) },
  { name = "day of the week", least = 0, most = 7, names = names("SUN MON TUE WED THU FRI SAT", 0) },
}

local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function number(field, text)
  local value = math.tointeger(tonumber(text:match("^%d%d?$"))) or field.names and field.names[text:upper()]
  if value and value >= field.least and value <= field.most then return value end
  return nil, ("`%s` is no %s: %d to %d"):format(text, field.name, field.least, field.most)
end

--- One piece of a field, such as "*", "5", "MON-FRI", "*/15", "8-18/2", into a set.
local function piece(field, text, set)
  local range, step = text:match("^([^/]+)/(%d+)$")
  range, step = range or text, math.tointeger(tonumber(step or "1"))
  if step == 0 then return nil, ("`%s`: a step is at least 1"):format(text) end
  local from, to = field.least, field.most
  if range ~= "*" then
    local a, b = range:match("^(%w+)%-(%w+)$")
    local why
    from, why = number(field, a or range)
    if not from then return nil, why end
    to = from
    if b then to, why = number(field, b) elseif step > 1 then to = field.most end
    if not to then return nil, why end
    if to < from then return nil, ("`%s` ends before it begins"):format(range) end
  end
  for value = from, to, step do set[value] = true end
  return true
end

local function read_field(field, text)
  local set = {}
  if text:find("^,") or text:find(",$") or text:find(",,", 1, true) then
    return nil, ("`%s` is no list for the %s"):format(text, field.name)
  end
  for part in text:gmatch("[^,]+") do
    local ok, why = piece(field, part, set)
    if not ok then return nil, why end
  end
  return set
end

--- Whether one of the days exists in one of the months.
local function some_day(days, months)
  for month in pairs(months) do
    for day in pairs(days) do
      if day <= DAYS[month] then return true end
    end
  end
  return false
end

local function is_zone(text)
  if text == "UTC" or text == "GMT" then return true end
  return text:find("^%u[%w_+-]*/[%w_+/-]*%w$") ~= nil and not text:find("//", 1, true)
end

--- The sets of a schedule, by the fields' order, and its zone.
---@param spec string
---@return { [integer]: table<integer, boolean>, zone: string }? schedule
---@return string? message
---@return string? hint
function M.parse(spec)
  local words, sets = {}, { zone = "UTC" }
  for word in spec:gmatch("%S+") do words[#words + 1] = word end
  if #words < #FIELDS or #words > #FIELDS + 1 then
    return nil, ("a schedule has five fields and a zone, not %d words"):format(#words), HINT
  end
  for i, field in ipairs(FIELDS) do
    local set, why = read_field(field, words[i])
    if not set then return nil, why, HINT end
    sets[i] = set
  end
  if not some_day(sets[3], sets[4]) then return nil, "no month of it has such a day", HINT end
  local zone = words[#FIELDS + 1]
  if zone and not is_zone(zone) then
    return nil, ("`%s` is no time zone"):format(zone), "such as Europe/Berlin or UTC"
  end
  sets.zone = zone or sets.zone
  return sets
end

--- Whether it is one.
---@param spec string
---@return boolean? ok
---@return string? message
---@return string? hint
function M.check(spec)
  local sets, message, hint = M.parse(spec)
  return sets and true or nil, message, hint
end

return M
