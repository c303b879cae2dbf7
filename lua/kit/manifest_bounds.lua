--- What a text of a manifest may not be beyond its form: limits that are absurd, globs that lead elsewhere, names.
local package_rules = require "kit.package.rules"
local semver = require "kit.semver"
local suggest = require "kit.suggest"
local units = require "kit.units"

local M = {}

local VARIABLES = { "$PROJECT", "$HOME", "$CACHE", "$TMP" }
local ALL = { ["/"] = true, ["/**"] = true, ["/*"] = true, ["$HOME"] = true, ["$HOME/**"] = true, ["**"] = true }

local function outside(rule, amount, least, most)
  return rule.least and amount < least(rule.least) or rule.most and amount > most(rule.most)
end

--- "from 1MiB to 64GiB".
function M.span(rule)
  return ("from %s to %s"):format(rule.least, rule.most)
end

local function of_amount(rule, value)
  local read = rule.type == "size" and units.bytes or rule.type == "duration" and units.milliseconds
  local function plain(bound) return bound end
  local amount = read and read(value) or not read and math.type(value) and value
  if not amount or not outside(rule, amount, read or plain, read or plain) then return nil end
  return "is " .. M.span(rule)
end

--- What is wrong with a glob: in words, and what to write instead.
local function of_glob(text)
  if text == "" then return "has an empty text in it" end
  if text:find "%c" then return "has a control character in it" end
  if text:match "^~" then return "does not begin with ~", ("write \"$HOME%s\""):format(text:sub(2)) end
  local variable = text:match "^%$[^/]*"
  if variable and not suggest.has(VARIABLES, variable) then
    return ("begins with %s, which is none of %s"):format(variable, table.concat(VARIABLES, ", ")),
      suggest.hint(variable:upper(), VARIABLES)
  end
  if ("/" .. text .. "/"):find("/../", 1, true) then
    return "leads upwards by `..`", "name the folder itself, from $PROJECT, $HOME or /"
  end
  return nil
end

--- What is wrong with a value that has its type: message and hint; nil: nothing.
---@param rule ManifestKey
---@param value any
---@return string? message behind the key's path
---@return string? hint
function M.problem(rule, value)
  if rule.least then return of_amount(rule, value) end
  if type(value) ~= "string" then return nil end
  if rule.glob then return of_glob(value) end
  if rule.package and not package_rules.is_name(value) then
    return "is " .. rule.shape, nil
  end
  if rule.file and ("/" .. value .. "/"):find("/../", 1, true) then return "is " .. rule.shape end
  if rule.version and not semver.parse(value) then return "is major.minor.patch" end
  if rule.range and not semver.range(value) then return "is a range such as \">=0.1, <1\"" end
  return nil
end

--- Whether a glob asks for everything.
---@param text string
---@return boolean
function M.is_wide(text)
  return ALL[text] == true
end

return M
