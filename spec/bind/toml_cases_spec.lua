--- TOML 1.0: the cases of the public suite toml-test, in spec/fixtures/toml-test. What is valid means what its JSON says
--- (types are ours: dates and times are texts); what is invalid is refused, with its line.
local json = require "sy.json"
local support = require "support"
local toml = require "sy.toml"

local ROOT = support.root .. "/spec/fixtures/toml-test/"

local function cases(kind)
  local list = {}
  for path in support.sh(("find %s -name '*.toml' | sort"):format(kind), { cwd = ROOT }):gmatch "[^\n]+" do
    list[#list + 1] = path
  end
  return list
end

local FLOATS = { inf = math.huge, ["+inf"] = math.huge, ["-inf"] = -math.huge }

--- A date or time in one form: T between its parts, Z for +00:00, no trailing zeroes behind the seconds' point.
local function stamp(text)
  text = text:upper():gsub(" ", "T"):gsub("[+-]00:00$", "Z")
  text = text:gsub("(%.%d-)0+([Z+-])", "%1%2"):gsub("(%.%d-)0+$", "%1"):gsub("%.([Z+-])", "%1"):gsub("%.$", "")
  return text
end

local same

local KINDS = {
  string = function(value, text) return value == text end,
  integer = function(value, text) return math.type(value) == "integer" and value == math.tointeger(tonumber(text)) end,
  bool = function(value, text) return value == (text == "true") end,
  float = function(value, text)
    if text:match "nan$" then return value ~= value end
    return math.type(value) == "float" and value == (FLOATS[text] or tonumber(text) + 0.0)
  end,
}
for _, kind in ipairs { "datetime", "datetime-local", "date-local", "time-local" } do
  KINDS[kind] = function(value, text) return type(value) == "string" and stamp(value) == stamp(text) end
end

local function same_table(value, wanted)
  if type(value) ~= "table" then return false end
  for key, item in pairs(wanted) do
    if not same(value[key], item) then return false end
  end
  for key in pairs(value) do
    if wanted[key] == nil then return false end
  end
  return true
end

function same(value, wanted)
  local kind = type(wanted.type) == "string" and type(wanted.value) == "string" and KINDS[wanted.type]
  if kind then return kind(value, wanted.value) end
  return same_table(value, wanted)
end

describe("the cases of toml-test", function()
  local valid, invalid = cases "valid", cases "invalid"

  it("are there", function() assert.is_true(#valid >= 99 and #invalid >= 234) end)

  for _, path in ipairs(valid) do
    it("mean what they say: " .. path, function()
      local value, why = toml.decode(support.read_file(ROOT .. path))
      assert.is_table(value, why and why.message)
      local wanted = assert(json.decode(support.read_file(ROOT .. path:gsub("%.toml$", ".json"))))
      assert.is_true(same(value, wanted), json.encode(value))
    end)
  end

  for _, path in ipairs(invalid) do
    it("are refused: " .. path, function()
      local value, why = toml.decode(support.read_file(ROOT .. path))
      assert.is_nil(value, value and json.encode(value))
      assert.equal("manifest_invalid", why.code)
      assert.is_number(why.where.line, why.message)
    end)
  end
end)
