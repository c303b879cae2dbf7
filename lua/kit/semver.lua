--- Versions (semver 2.0) and ranges: "^1.2", "~1.2.3", ">=0.1, <1", "1.4.0", "*".
local M = {}

---@class Version
---@field major integer
---@field minor integer
---@field patch integer
---@field pre string?

--- Reads "1.2.3-rc.1+build"; nil when it is no version.
---@param text string
---@return Version?
function M.parse(text)
  local major, minor, patch, rest = text:match("^(%d+)%.(%d+)%.(%d+)(.*)$")
  if not major then return nil end
  local pre = rest:match("^%-([%w%-%.]+)")
  local tail = pre and rest:sub(#pre + 2) or rest
  if tail ~= "" and not tail:match("^%+[%w%-%.]+$") then return nil end
  for _, number in ipairs { major, minor, patch } do
    if #number > 1 and number:sub(1, 1) == "0" or #number > 9 then return nil end
  end
  return { major = math.tointeger(major), minor = math.tointeger(minor), patch = math.tointeger(patch), pre = pre }
end

local function sign(a, b)
  return a < b and -1 or a > b and 1 or 0
end

local function compare_words(a, b)
  local x, y = math.tointeger(tonumber(a) or 0.5), math.tointeger(tonumber(b) or 0.5)
  if x and y then return sign(x, y) end
  if x then return -1 end
  if y then return 1 end
  return sign(a, b)
end

local function compare_pre(a, b)
  if a == b then return 0 end
  if not a then return 1 end
  if not b then return -1 end
  local left, right = a:gmatch("[^.]+"), b:gmatch("[^.]+")
  while true do
    local x, y = left(), right()
    if not x and not y then return 0 end
    if not x then return -1 end
    if not y then return 1 end
    local order = compare_words(x, y)
    if order ~= 0 then return order end
  end
end

--- -1, 0 or 1.
---@param a Version
---@param b Version
---@return integer
function M.compare(a, b)
  for _, part in ipairs { "major", "minor", "patch" } do
    local order = sign(a[part], b[part])
    if order ~= 0 then return order end
  end
  return compare_pre(a.pre, b.pre)
end

local function partial(text)
  local parts = {}
  for number in text:gmatch("%d+") do parts[#parts + 1] = math.tointeger(number) end
  if #parts == 0 or #parts > 3 or not text:match("^[%d%.]+$") then return nil end
  return { major = parts[1], minor = parts[2] or 0, patch = parts[3] or 0 }, #parts
end

local function version(major, minor, patch)
  return { major = major, minor = minor, patch = patch }
end

--- The first version above a caret's range: the leftmost number that is not 0 may not change.
local function above_caret(v, given)
  if v.major > 0 or given == 1 then return version(v.major + 1, 0, 0) end
  if v.minor > 0 or given == 2 then return version(0, v.minor + 1, 0) end
  return version(0, 0, v.patch + 1)
end

local function above_tilde(v, given)
  return given == 1 and version(v.major + 1, 0, 0) or version(v.major, v.minor + 1, 0)
end

local BOUNDS = {
  [">="] = function(v) return { { ">=", v } } end,
  [">"] = function(v) return { { ">", v } } end,
  ["<="] = function(v) return { { "<=", v } } end,
  ["<"] = function(v) return { { "<", v } } end,
  ["="] = function(v) return { { ">=", v }, { "<=", v } } end,
  ["^"] = function(v, given) return { { ">=", v }, { "<", above_caret(v, given) } } end,
  ["~"] = function(v, given) return { { ">=", v }, { "<", above_tilde(v, given) } } end,
}

--- Reads a range into a list of bounds; nil when it is none.
---@param text string
---@return table?
function M.range(text)
  local bounds = {}
  if text:match("^%s*%*%s*$") then return bounds end
  for part in (text .. ","):gmatch("%s*(.-)%s*,") do
    local operator, number = part:match("^([<>=^~]*)%s*(.+)$")
    local v, given
    if number then
      v, given = M.parse(number), 3
      if not v then v, given = partial(number) end
    end
    local make = BOUNDS[operator == "" and "=" or operator]
    if not v or not make then return nil end
    table.move(make(v, given), 1, 2, #bounds + 1, bounds)
  end
  return #bounds > 0 and bounds or nil
end

local HOLDS = {
  [">="] = function(order) return order >= 0 end,
  [">"] = function(order) return order > 0 end,
  ["<="] = function(order) return order <= 0 end,
  ["<"] = function(order) return order < 0 end,
}

--- Whether a version lies in a range; both as text.
---@param text string
---@param range string
---@return boolean
function M.satisfies(text, range)
  local v, bounds = M.parse(text), M.range(range)
  if not v or not bounds then return false end
  for _, bound in ipairs(bounds) do
    if not HOLDS[bound[1]](M.compare(v, bound[2])) then return false end
  end
  return true
end

return M
