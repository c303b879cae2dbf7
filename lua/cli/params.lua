--- Parameters from the command line: -p key=value and --params FILE, read by the type a melody declares.
local json = require "sy.json"
local problem = require "kit.problem"

local M = {}

local function types_of(schema)
  local kind = type(schema) == "table" and schema.type or nil
  if type(kind) == "string" then return { [kind] = true } end
  local set = {}
  for _, name in ipairs(kind or {}) do set[name] = true end
  return set
end

local BOOLEANS = { ["true"] = true, ["false"] = false, yes = true, no = false, on = true, off = false }

--- Text as the value the schema asks for. A string stays as it is typed; without a type, JSON if it is JSON.
---@param text string
---@param schema? table
---@return any value, boolean ok
function M.read(text, schema)
  local types = types_of(schema)
  if types.string and not (types.object or types.array) then
    if text == "null" and types.null then return json.null, true end
    return text, true
  end
  if types.boolean and BOOLEANS[text] ~= nil then return BOOLEANS[text], true end
  if (types.integer or types.number) and math.type(tonumber(text)) then
    local number = tonumber(text)
    if types.integer then number = math.tointeger(number) or number end
    return number, true
  end
  local value, failure = json.decode(text)
  if failure == nil and value ~= nil then return value, true end
  if types.array and not types.string and not text:find("^%s*[%[{]") then
    local list = {}
    for item in text:gmatch("[^,]+") do list[#list + 1] = (M.read(item, schema and schema.items)) end
    return list, true
  end
  return text, next(types) == nil or types.string == true
end

local function from_file(path)
  local file, message = io.open(path, "rb")
  if not file then return problem.fail("not_found", "the file of parameters cannot be read: " .. tostring(message)) end
  local text = file:read("a")
  file:close()
  local value, failure = json.decode(text)
  if type(value) == "table" and #value == 0 then return value end
  return problem.fail("usage", ("%s is not a JSON object: %s"):format(path, failure or "another value"),
    { file = path })
end

--- The parameters as given: texts of -p by name, over the values of --params FILE.
---@param options { param: string[]?, params: string? }
---@return table<string, any>? values, table<string, boolean>? typed which of them are texts from -p
---@return Problem?
function M.collect(options)
  local found, typed = {}, {}
  if options.params then
    local values, unread = from_file(options.params)
    if not values then return nil, nil, unread end
    for name, value in pairs(values) do found[name] = value end
  end
  for _, pair in ipairs(options.param or {}) do
    local name, text = pair:match("^([^=]+)=(.*)$")
    if not name then return nil, nil, problem.new("usage", ("-p takes key=value, not `%s`"):format(pair)) end
    found[name], typed[name] = text, true
  end
  return found, typed
end

--- The input of one operation: -p texts are read by the type its schema declares.
---@param options { param: string[]?, params: string? }
---@param schema? table
---@return table?, Problem?
function M.input(options, schema)
  local found, typed, why = M.collect(options)
  if not found then return nil, why end
  local properties = type(schema) == "table" and schema.properties or {}
  for name in pairs(typed) do
    local value, ok = M.read(found[name], properties[name])
    if not ok then
      return problem.fail("type_mismatch",
        ("`%s` is %s, not `%s`"):format(name, tostring(properties[name].type), found[name]))
    end
    found[name] = value
  end
  return found
end

return M
