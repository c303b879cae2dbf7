--- docs/reference/manifest.md: every section and key of a Symphony.toml, out of kit.manifest_keys.
local bounds = require "kit.manifest_bounds"
local keys = require "kit.manifest_keys"

local M = {}

local INTRO = [[
# The manifest

Every section and key of a `Symphony.toml`, generated from `lua/kit/manifest_keys.lua`;
[extensions](../guide/extensions.md) tells how they work together. The file is TOML 1.0, at most 1 MiB.
`symphony ext check` says of each mistake where it is and what was probably meant; unknown sections and keys are
refused.

Sizes are a number and B, kB, MB, GB, KiB, MiB, GiB or TiB; durations a number and ms, s, m, h or d. A schema is a JSON
Schema written as a table. Globs begin with `$PROJECT`, `$HOME`, `$CACHE`, `$TMP` or `/`, else they are below the
project; they never lead upwards by `..`.
]]

local SECTIONS = {
  { "extension", "What it is." },
  { "operator", "Of an extension of type operator." },
  { "instrument", "Of an extension of type instrument." },
  { "motif", "Of an extension of type motif." },
  { "operation.*", "One for each operation: what a melody calls as `NAME.OPERATION`." },
  { "capabilities", "What it may do; everything else is denied. `fs = { read = [], write = [] }` says the same." },
  { "dependencies", "The packages it needs: `\"publisher/name\" = \"^1.2\"`, each with a range of versions." },
  { "player", "What it promises; [players](../guide/players.md) tells what follows." },
  { "contributes.command[]", "Commands that it adds to an editor." },
  { "contributes.on[]", "Events of an editor that it answers." },
}

local WORDS = { strings = "list of texts", string = "text", integer = "whole number", boolean = "true or false",
  estimate = "table of `usd`, `tokens`" }

local function escape(text)
  return (text:gsub("|", "\\|"))
end

local function kind_of(rule)
  if rule.choices then
    local all = table.concat(rule.choices, ", ")
    return rule.type == "strings" and "list of: " .. all or all
  end
  local kind = rule.shape or WORDS[rule.type] or rule.type
  if rule.glob then kind = "list of globs" end
  if rule.range then kind = "range of versions" end
  if rule.version then kind = "version" end
  if rule.shape and rule.type == "strings" then kind = "list of " .. rule.shape end
  return rule.least and ("%s, %s"):format(kind, bounds.span(rule)) or kind
end

local function default_of(rule)
  if rule.required then return "required" end
  if rule.default == nil or rule.default == "" then return "" end
  if type(rule.default) == "table" then return rule.type == "strings" and "`[]`" or "" end
  return type(rule.default) == "string" and ('`"%s"`'):format(rule.default) or ("`%s`"):format(tostring(rule.default))
end

local function add_section(lines, section, about)
  local names, title = {}, section:gsub("%.%*", ".NAME"):gsub("^(.*)%[%]$", "[%1]")
  lines[#lines + 1] = ("## `[%s]`\n\n%s\n"):format(title, about)
  if not keys[section] then return end
  for name in pairs(keys[section]) do names[#names + 1] = name end
  table.sort(names)
  lines[#lines + 1] = "| key | value | default | meaning |"
  lines[#lines + 1] = "|---|---|---|---|"
  for _, name in ipairs(names) do
    local rule = keys[section][name]
    lines[#lines + 1] = ("| `%s` | %s | %s | %s |"):format(name, escape(kind_of(rule)), default_of(rule),
      escape(rule.doc))
  end
  lines[#lines + 1] = ""
end

--- The page.
---@return string
function M.text()
  local lines = { INTRO }
  for _, one in ipairs(SECTIONS) do add_section(lines, one[1], one[2]) end
  return (table.concat(lines, "\n"):gsub("\n+$", "\n"))
end

--- The sections it has, for a spec that compares them with the keys.
---@return table<string, boolean>
function M.sections()
  local all = {}
  for _, one in ipairs(SECTIONS) do all[one[1]] = true end
  return all
end

return M
