--- The parameters of a melody: as a schema, and what a run was given checked against it.
local json = require "sy.json"
local problem = require "melody.problem"
local suggest = require "melody.suggest"
local types = require "melody.types"

local M = {}

--- The JSON schema of one declared parameter.
---@param param table
---@return table
function M.schema(param)
  local schema = { enum = param.enum }
  if param.type ~= "any" then schema.type = param.type end
  return schema
end

--- What is wrong with a plain value for a parameter, or nil.
---@param param table
---@param value any
---@return string?
function M.mismatch(param, value)
  local found
  types.check({ ["$literal"] = value }, M.schema(param), {}, {
    problem = function(_, _, text) found = found or text end,
    unknown = function() end,
    reference = function() end,
  })
  return found
end

local WORDS = { ["true"] = true, ["false"] = false, yes = true, no = false }

--- The value of a text typed on the command line, by the declared type; nil when it cannot be one.
---@param param table
---@param text string
---@return any
function M.from_text(param, text)
  local kind = param.type
  if kind == "integer" then return math.tointeger(tonumber(text)) end
  if kind == "number" then return tonumber(text) end
  if kind == "boolean" then return WORDS[text] end
  if kind == "array" or kind == "object" then return (json.decode(text)) end
  return text
end

local function bind_one(name, param, given, as_text)
  local value = given
  if as_text and type(given) == "string" then value = M.from_text(param, given) end
  if value == nil then
    return nil, ("the parameter `%s` must be %s, it is %q"):format(name, types.describe { [param.type] = true }, given)
  end
  local why = M.mismatch(param, value)
  if why then return nil, ("the parameter `%s`: %s"):format(name, why) end
  return value
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The parameters of a run: defaults filled in, everything checked.
---@param definition table
---@param given table<string, any>
---@param options? { text: boolean } text: strings are converted to the declared type
---@return table<string, any>? values
---@return melody.Problem[] problems
function M.bind(definition, given, options)
  local values, problems, declared = {}, {}, sorted(definition.params)
  local function report(code, message, fields)
    fields = fields or {}
    fields.file = definition.source
    problems[#problems + 1] = problem.new(code, message, fields)
  end
  for _, name in ipairs(sorted(given)) do
    if not definition.params[name] then
      report("unknown_param", ("%s has no parameter `%s`"):format(definition.name, name),
             { note = suggest.phrase(name, declared),
               hint = #declared > 0 and "it has: " .. table.concat(declared, ", ") or "it has none" })
    end
  end
  for _, name in ipairs(declared) do
    local param, value = definition.params[name], given[name]
    if value ~= nil then
      local why
      value, why = bind_one(name, param, value, options and options.text)
      if why then report("type_mismatch", why, { line = param.line }) end
    elseif param.default ~= nil then
      value = param.default
    elseif param.required then
      report("missing_param", ("%s needs the parameter `%s`"):format(definition.name, name),
             { line = param.line, hint = ("symphony run %s -p %s=…"):format(definition.name, name) })
    else
      value = json.null
    end
    values[name] = value
  end
  if #problems > 0 then return nil, problems end
  return values, problems
end

return M
