--- What each type of a manifest's key takes: (value) → the value, or nil and what is wanted in words. A boolean comes
--- in a list of itself, since false is a value.
local units = require "kit.units"

local function is_list(value)
  return type(value) == "table" and (next(value) == nil or #value > 0)
end

local function estimate(value)
  local wanted = "a table of usd and tokens, each a number, 0 or more"
  if type(value) ~= "table" then return nil, wanted end
  for name, item in pairs(value) do
    if (name ~= "usd" and name ~= "tokens") or not math.type(item) or not (item >= 0 and item < 9e9) then
      return nil, wanted
    end
  end
  return value, wanted
end

return {
  estimate = estimate,
  string = function(value) return type(value) == "string" and value, "a text" end,
  integer = function(value) return math.type(value) == "integer" and value >= 0 and value,
    "a whole number, 0 or more" end,
  number = function(value) return math.type(value) and value >= 0 and value, "a number, 0 or more" end,
  boolean = function(value) return type(value) == "boolean" and { value }, "true or false" end,
  table = function(value) return type(value) == "table" and value, "a table" end,
  schema = function(value) return type(value) == "table" and not (is_list(value) and next(value)) and value,
    "a table that is a JSON Schema" end,
  size = function(value) return units.bytes(value) and value, 'a size such as "64MiB"' end,
  duration = function(value) return units.milliseconds(value) and value, 'a duration such as "30s"' end,
  strings = function(value)
    if not is_list(value) then return nil, "a list of texts" end
    for _, item in ipairs(value) do
      if type(item) ~= "string" then return nil, "a list of texts" end
    end
    return value, ""
  end,
}
