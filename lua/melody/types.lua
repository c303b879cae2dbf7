--- Checks a value that is only partly known (literals are, references are not) against a JSON schema, and compares
--- schemas with each other. A schema that says nothing accepts everything.
local json = require "sy.json"
local refs = require "melody.refs"

local M = {}

--- The JSON type of a plain value; an empty table may be either container: "empty".
---@param value any
---@return string
function M.of(value)
  if value == nil or value == json.null then return "null" end
  local kind = type(value)
  if kind == "number" then
    return math.tointeger(value) and "integer" or "number"
  elseif kind == "table" then
    if next(value) == nil then return "empty" end
    return #value > 0 and "array" or "object"
  end
  return kind
end

--- The set of types a schema allows, nil: any.
---@param schema any
---@return table<string, boolean>?
function M.allowed(schema)
  if type(schema) ~= "table" then return nil end
  local kinds = schema.type
  if kinds == nil and schema.const ~= nil then kinds = M.of(schema.const) end
  if kinds == nil then
    local set
    for _, branch in ipairs(schema.anyOf or schema.oneOf or {}) do
      local some = M.allowed(branch)
      if not some then return nil end
      set = set or {}
      for kind in pairs(some) do set[kind] = true end
    end
    return set
  end
  local set = {}
  for _, kind in ipairs(type(kinds) == "table" and kinds or { kinds }) do set[kind] = true end
  return set
end

local function fits(kind, allowed)
  return not allowed or allowed[kind] or kind == "integer" and allowed.number
         or kind == "empty" and (allowed.array or allowed.object) or false
end

local function article(kind)
  return (kind:find("^[aeiou]") and "an " or "a ") .. kind
end

--- "a string or an array"
---@param allowed table<string, boolean>
---@return string
function M.describe(allowed)
  local names = {}
  for kind in pairs(allowed) do names[#names + 1] = kind == "null" and "null" or article(kind) end
  table.sort(names)
  return table.concat(names, " or ")
end

--- Whether a value of schema `from` can ever fit schema `to`.
---@param from any
---@param to any
---@return boolean ok
---@return string? why
function M.compatible(from, to, depth)
  local have, want = M.allowed(from), M.allowed(to)
  if not have or not want then return true end
  local common = false
  for kind in pairs(have) do
    if fits(kind, want) or kind == "number" and want.integer then common = true end
  end
  if not common then return false, ("%s where %s is expected"):format(M.describe(have), M.describe(want)) end
  local both_lists = have.array and want.array and not have.object and not want.string
  if both_lists and from.items and to.items and (depth or 0) < 8 then
    local ok, why = M.compatible(from.items, to.items, (depth or 0) + 1)
    if not ok then return false, "items that are " .. why end
  end
  return true
end

--- The schema of a part of a value. The second result says why there is none: "closed" (the field cannot exist),
--- "open" (it may exist), "kind" (such a value has no parts of this sort), or nil (nothing is known).
---@param schema any
---@param part string|integer
---@return any schema
---@return string? why
---@return string[]? names the declared fields
function M.part(schema, part)
  if type(schema) ~= "table" then return nil end
  local allowed = M.allowed(schema)
  local container = type(part) == "string" and "object" or "array"
  if allowed and not allowed[container] then return nil, "kind" end
  if container == "array" then
    local prefix = schema.prefixItems
    return type(prefix) == "table" and prefix[part] or schema.items
  end
  local properties = schema.properties
  if type(properties) ~= "table" then
    return schema.additionalProperties ~= true and schema.additionalProperties or nil
  end
  if properties[part] ~= nil then return properties[part] end
  if type(schema.additionalProperties) == "table" then return schema.additionalProperties end
  if schema.patternProperties or schema.allOf or schema.anyOf or schema.oneOf then return nil end
  local names = {}
  for name in pairs(properties) do names[#names + 1] = name end
  table.sort(names)
  return nil, schema.additionalProperties == false and "closed" or "open", names
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function quote(value)
  return type(value) == "string" and ("%q"):format(value) or type(value) == "table" and "a table" or tostring(value)
end

--- What a scalar breaks of a schema's bounds, or nil.
local function bounds(value, schema)
  if type(value) == "number" then
    if schema.minimum and value < schema.minimum then return ("%s is less than %s"):format(value, schema.minimum) end
    if schema.maximum and value > schema.maximum then return ("%s is more than %s"):format(value, schema.maximum) end
    if schema.exclusiveMinimum and value <= schema.exclusiveMinimum then
      return ("%s is not more than %s"):format(value, schema.exclusiveMinimum)
    elseif schema.exclusiveMaximum and value >= schema.exclusiveMaximum then
      return ("%s is not less than %s"):format(value, schema.exclusiveMaximum)
    end
  elseif type(value) == "string" then
    local length = utf8.len(value) or #value
    if schema.minLength and length < schema.minLength then
      return ("%s is shorter than %d characters"):format(quote(value), schema.minLength)
    elseif schema.maxLength and length > schema.maxLength then
      return ("it is longer than %d characters"):format(schema.maxLength)
    end
  end
end

local function one_of(value, list)
  local names = {}
  for i, item in ipairs(list) do
    if equal(value, item) then return nil end
    names[i] = quote(item)
  end
  return ("%s is none of %s"):format(quote(value), table.concat(names, ", "))
end

local check

local function below(path, part)
  local out = table.move(path, 1, #path, 1, {})
  out[#out + 1] = part
  return out
end

local function check_list(value, schema, path, on)
  if schema.minItems and #value < schema.minItems then
    on.problem("type_mismatch", path, ("it has fewer than %d items"):format(schema.minItems))
  elseif schema.maxItems and #value > schema.maxItems then
    on.problem("type_mismatch", path, ("it has more than %d items"):format(schema.maxItems))
  end
  for i, item in ipairs(value) do check(item, (M.part(schema, i)), below(path, i), on) end
end

local function check_map(value, schema, path, on)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then on.problem("missing_param", below(path, name), "it is missing") end
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local sub, why, known = M.part(schema, name)
    if why == "closed" or why == "open" then
      on.unknown(below(path, name), why == "closed", known)
    else
      check(value[name], sub, below(path, name), on)
    end
  end
end

--- A collector that only counts, for trying the branches of anyOf.
local function trial(on)
  local quiet = { failed = false, reference = on.reference }
  function quiet.problem() quiet.failed = true end
  function quiet.unknown(_, closed) quiet.failed = quiet.failed or closed end
  return quiet
end

local function check_branches(value, schema, path, on)
  local branches = schema.anyOf or schema.oneOf
  for _, branch in ipairs(schema.allOf or {}) do check(value, branch, path, on) end
  if not branches then return end
  for _, branch in ipairs(branches) do
    local quiet = trial(on)
    check(value, branch, path, quiet)
    if not quiet.failed then return end
  end
  on.problem("type_mismatch", path, "it fits none of the shapes that are allowed")
end

local function check_plain(value, schema, path, on)
  local allowed, kind = M.allowed(schema), M.of(value)
  if not fits(kind, allowed) then
    local got = kind == "null" and "null" or kind == "empty" and "a table" or article(kind)
    return on.problem("type_mismatch", path, ("it must be %s, it is %s"):format(M.describe(allowed), got))
  end
  local why = schema.enum and one_of(value, schema.enum) or schema.const ~= nil and one_of(value, { schema.const })
              or bounds(value, schema)
  if why then on.problem("type_mismatch", path, why) end
  check_branches(value, schema, path, on)
  if kind == "array" or kind == "empty" and allowed and allowed.array and not allowed.object then
    check_list(value, schema, path, on)
  elseif kind == "object" or kind == "empty" then
    check_map(value, schema, path, on)
  end
end

--- Checks a value that may hold references.
---@param value any
---@param schema any
---@param path (string|integer)[] leads to the value, for messages
---@param on table problem(code, path, text), unknown(path, closed, names), reference(form, content) → schema?
function M.check(value, schema, path, on)
  if schema == false then return on.problem("type_mismatch", path, "nothing is allowed here") end
  if type(schema) ~= "table" then return end
  local form, content = refs.form(value)
  if form == "$literal" then return check_plain(content, schema, path, on) end
  if not form then return check_plain(value, schema, path, on) end
  local from = form == "$text" and { type = "string" } or form ~= "$text" and on.reference(form, content) or nil
  local ok, why = M.compatible(from, schema)
  if not ok then on.problem("type_mismatch", path, "it is " .. why) end
end
check = M.check

return M
