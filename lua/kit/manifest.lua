--- A Symphony.toml, checked and filled in. Every problem names file and line, and what was probably meant.
local bounds = require "kit.manifest_bounds"
local cache = require "kit.manifest_cache"
local keys = require "kit.manifest_keys"
local package_rules = require "kit.package.rules"
local place = require "kit.manifest_place"
local problem = require "kit.problem"
local semver = require "kit.semver"
local suggest = require "kit.suggest"
local values = require "kit.manifest_values"

local M = {}

local KINDS = { "instrument", "operator", "motif" }
local SECTIONS = { "extension", "operator", "instrument", "motif", "operation", "capabilities", "dependencies",
  "player", "contributes" }

local REFERENCE = "docs/reference/manifest.md has every section and key"

local function sorted_keys(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

--- The line of a dotted path, or of the nearest part above it.
local function line_of(check, path)
  while path do
    local line = check.lines[path]
    if line then return line end
    path = path:match("^(.*)%.[^.]+$") or path:match("^(.*)%[%d+%]$")
  end
  return nil
end

--- Notes a problem. `value`: it is that of the key, and not the key itself.
local function add(check, path, message, hint, value)
  local why = problem.new("manifest_invalid", message,
    { file = check.file, line = line_of(check, path) or check.text and 1, hint = hint or REFERENCE })
  check.problems[#check.problems + 1] = place.show(why, check.text, path, value)
end

local function warn(check, path, message, hint, value)
  local more = { file = check.file, line = line_of(check, path), hint = hint, severity = "warning" }
  check.warnings[#check.warnings + 1] = place.show(problem.new("manifest_invalid", message, more), check.text, path,
    value)
end

local function quoted(value)
  if type(value) == "table" then return #value > 0 and "a list" or "a table" end
  return type(value) == "string" and ('"%s"'):format(value) or tostring(value)
end

--- A part of the manifest that has to be a table: it, or an empty one with the problem noted.
local function as_table(check, path, value, list)
  if value == nil or type(value) == "table" and (list or #value == 0) then return value or {} end
  add(check, path, ("%s is a table, not %s"):format(path, quoted(value)))
  return {}
end

local function narrow(check, path, rule, value)
  if rule.choices then
    if suggest.has(rule.choices, value) then return end
    add(check, path, ("%s is one of %s, not %s"):format(path, table.concat(rule.choices, ", "), quoted(value)),
      suggest.hint(value, rule.choices) or rule.doc, value)
    return
  end
  local wrong, hint
  if rule.pattern and type(value) == "string" and not value:match(rule.pattern) then
    wrong = "is " .. rule.shape
  else
    wrong, hint = bounds.problem(rule, value)
  end
  if wrong and wrong:match "^is " then wrong = ("%s, not %s"):format(wrong, quoted(value)) end
  if wrong then
    add(check, path, path .. " " .. wrong, hint or rule.doc, value)
  elseif rule.glob and bounds.is_wide(value) then
    warn(check, path, ("%s asks for everything: %s"):format(path, quoted(value)), "name the folders it needs", value)
  end
end

local function read_value(check, path, rule, value)
  local read, wanted = values[rule.type](value)
  if not read then
    local mixed = rule.type == "strings" and type(value) == "table"
    add(check, path, mixed and path .. " is a list of texts and nothing else"
      or ("%s is %s, not %s"):format(path, wanted, quoted(value)), rule.doc, value)
    return nil
  end
  if rule.type == "boolean" then return read[1] end
  for _, one in ipairs(rule.type == "strings" and read or { read }) do narrow(check, path, rule, one) end
  return read
end

--- Reads one table of the manifest against its rules.
local function section(check, path, rules, value)
  local out = {}
  if type(value) ~= "table" then
    add(check, path, path .. " is a table")
    return out
  end
  for _, name in ipairs(sorted_keys(value)) do
    local full = path .. "." .. name
    if rules[name] then
      out[name] = read_value(check, full, rules[name], value[name])
    else
      add(check, full, ("%s has no key `%s`"):format(path, name), suggest.hint(name, sorted_keys(rules)))
    end
  end
  for _, name in ipairs(sorted_keys(rules)) do
    local rule = rules[name]
    if value[name] == nil and rule.required then
      add(check, path, ("%s.%s is missing: %s"):format(path, name, rule.doc))
    elseif out[name] == nil and rule.default ~= nil then
      out[name] = rule.default
    end
  end
  return out
end

--- [capabilities] may write fs.read or a table fs = {read, write}.
local function flat_capabilities(value)
  if type(value) ~= "table" or type(value.fs) ~= "table" then return value end
  local flat = {}
  for name, item in pairs(value) do
    if name ~= "fs" then flat[name] = item end
  end
  for name, item in pairs(value.fs) do flat["fs." .. name] = item end
  return flat
end

local function operation(check, name, value)
  local path = "operation." .. name
  if not name:match("^[a-z][a-z0-9_]*$") then add(check, path, ("`%s` is no name of an operation"):format(name)) end
  local out = section(check, path, keys["operation.*"], value)
  if out.idempotent == nil then out.idempotent = out.effects == "none" or out.effects == "read" end
  return out
end

local function cacheable(check, name, declared, capabilities)
  local message, hint, warns = cache.problem(name, declared, capabilities)
  if not message then return end
  if not warns then return add(check, "operation." .. name .. ".cache", message) end
  warn(check, "operation." .. name .. ".cache", message, hint)
end

local function operations(check, value)
  local out, all = {}, as_table(check, "operation", value)
  for _, name in ipairs(sorted_keys(all)) do out[name] = operation(check, name, all[name]) end
  return out
end

local function dependencies(check, value, own)
  local out = {}
  local ranges = as_table(check, "dependencies", value)
  for _, name in ipairs(sorted_keys(ranges)) do
    local path, range = "dependencies." .. name, ranges[name]
    if not package_rules.is_published_name(name) then
      add(check, path, ("`%s` is no package: publisher/name"):format(name))
    elseif name == own then
      add(check, path, ("packages depend on each other in a circle: %s -> %s"):format(name, name))
    elseif type(range) ~= "string" or not semver.range(range) then
      add(check, path, ("%s is a range such as \"^1.2\", not %s"):format(path, quoted(range)), nil,
        range)
    end
    out[name] = range
  end
  return out
end

local function contributes(check, value, known)
  local out = { command = {}, on = {} }
  local kinds = as_table(check, "contributes", value)
  for _, kind in ipairs(sorted_keys(kinds)) do
    local rules = keys["contributes." .. kind .. "[]"]
    local path = "contributes." .. kind
    if not rules then
      add(check, path, ("contributes has no `%s`"):format(kind), suggest.hint(kind, { "command", "on" }))
    else
      for i, item in ipairs(as_table(check, path, kinds[kind], true)) do
        out[kind][i] = section(check, ("%s[%d]"):format(path, i), rules, item)
        local name = out[kind][i].operation
        if name and not known[name] then
          add(check, ("%s[%d].operation"):format(path, i), ("it has no operation `%s`"):format(name),
            suggest.hint(name, sorted_keys(known)))
        end
      end
    end
  end
  return out
end

local function unknown_sections(check, value)
  for _, name in ipairs(sorted_keys(value)) do
    if not suggest.has(SECTIONS, name) then
      add(check, name, ("there is no section [%s]"):format(name), suggest.hint(name, SECTIONS))
    end
  end
end

local function own_kind(check, value, out)
  local kind = out.extension.type
  for _, other in ipairs(KINDS) do
    if other == kind then
      out[kind] = section(check, kind, keys[kind], value[kind] or {})
    elseif value[other] ~= nil then
      add(check, other, ("[%s] does not belong to an extension of type \"%s\""):format(other, tostring(kind)))
    end
  end
end

--- Checks a decoded manifest.
---@param value table as sy.toml.decode gives it
---@param lines? table<string, integer> dotted path → line
---@param file string for messages
---@param text? string what it was decoded from, to show its lines
---@return table? manifest normalised
---@return Problem[]? problems or, with a manifest, warnings
function M.check(value, lines, file, text)
  local check = { file = file, lines = lines or {}, text = text, problems = {}, warnings = {} }
  unknown_sections(check, value)
  local out = { extension = section(check, "extension", keys.extension, value.extension or {}) }
  own_kind(check, value, out)
  out.operation = operations(check, value.operation)
  out.capabilities = section(check, "capabilities", keys.capabilities, flat_capabilities(value.capabilities or {}))
  for _, name in ipairs(sorted_keys(out.operation)) do
    cacheable(check, name, out.operation[name], out.capabilities)
  end
  out.dependencies = dependencies(check, value.dependencies, out.extension.name)
  out.player = value.player ~= nil and section(check, "player", keys.player, value.player) or nil
  out.contributes = contributes(check, value.contributes, out.operation)
  if #check.problems > 0 then return nil, check.problems end
  return out, #check.warnings > 0 and check.warnings or nil
end

--- Reads and checks the text of a Symphony.toml.
---@param text string
---@param file string for messages
---@return table? manifest
---@return Problem[]? problems
function M.read(text, file)
  local value, lines = require("sy.toml").decode(text)
  if not value then return nil, { place.syntax(lines, text, file) } end
  return M.check(value, lines, file, text)
end

return M
