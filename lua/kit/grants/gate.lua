--- Whether an extension may be used, and what it may do then. What came with the program and what the person put among
--- their own extensions may do what it asks for, unless the person took something away; what was installed and what
--- belongs to a project may do what the person allowed. Nobody there to ask: it may not, and where it says so.
local effective = require "kit.grants.effective"
local permissions = require "kit.permissions"
local plain = require "kit.plain"
local problem = require "kit.problem"
local record = require "kit.grants.record"

local M = {}

--- Whether an entry may do what it asks for without anybody having said so.
---@param entry ExtensionEntry
---@return boolean
function M.standing(entry)
  return entry.origin == "bundled" or entry.origin == "user"
end

--- The first line of a manifest that asks for one of these capabilities, else the section's.
---@param entry ExtensionEntry
---@param wanted table<string, any> by capability
---@return integer?
function M.line(entry, wanted)
  local _, lines = require("sy.toml").decode(entry.text or "")
  if type(lines) ~= "table" then return nil end
  for _, kind in ipairs(effective.KINDS) do
    local line = wanted[kind] and #wanted[kind] > 0 and lines["capabilities." .. kind]
    if line then return line end
  end
  for _, key in ipairs(effective.LIMITS) do
    if wanted[key] and lines["capabilities." .. key] then return lines["capabilities." .. key] end
  end
  return lines.capabilities
end

local function command(entry, words)
  return ("symphony ext permissions %s%s"):format(plain.clean(entry.name), words)
end

--- What is not allowed yet: all of it, or what is more than was.
local function pending(asked, decision)
  if not decision then return asked end
  local found = effective.difference(decision.asked, asked)
  local map = {}
  for _, part in ipairs { found.new, found.widened } do
    for kind, list in pairs(part) do
      if type(list) == "table" then
        map[kind] = table.move(list, 1, #list, #(map[kind] or {}) + 1, map[kind] or {})
      else
        map[kind] = list
      end
    end
  end
  return map
end

local function wanted_words(map)
  local list = permissions.sentences(map)
  if #list == 0 then list[1] = "takes more memory or time than a call usually gets" end
  return table.concat(list, "; ")
end

local function refuse(entry, decision)
  local wanted = pending(entry.manifest.capabilities, decision)
  local said = decision and "asks for more than you allowed" or "asks for what nobody allowed yet"
  return problem.fail("permission_denied", ("%s %s: it %s"):format(entry.name, said, wanted_words(wanted)), {
    file = entry.file, line = M.line(entry, wanted),
    hint = command(entry, " --approve   allows it; ") .. command(entry, "   shows all, and what it does not ask for"),
  })
end

local function denied(entry, decision)
  return problem.fail("permission_denied", ("%s may not be used: %s denied it on %s"):format(entry.name,
    plain.clean(decision.by), plain.clean(decision.at:sub(1, 10))),
    { file = record.file(), line = decision.line, hint = command(entry, " --reset   lets it be asked again") })
end

--- What stands: "granted", "narrowed", "denied", "undecided" or "changed".
---@param entry ExtensionEntry loaded
---@param decision? Decision
---@return string
function M.state(entry, decision)
  local asked = entry.manifest.capabilities
  if decision and decision.state == "denied" then return "denied" end
  if not decision and not M.standing(entry) and effective.asks(asked) then return "undecided" end
  if decision and not M.standing(entry) and not effective.covers(decision, asked) then return "changed" end
  local granted = effective.of(asked, decision, M.standing(entry))
  return next(effective.withheld(asked, granted)) and "narrowed" or "granted"
end

--- What an extension may do, as the person decided; where nobody decided, whoever is at the terminal is asked.
---@param entry ExtensionEntry loaded
---@return table? capabilities granted
---@return Problem?
function M.of(entry)
  local decision, damaged = record.find(record.key(entry))
  if damaged then return nil, damaged end
  local state = M.state(entry, decision)
  if (state == "undecided" or state == "changed") and entry.place and entry.place.asks then
    local said, why = entry.place.asks(entry, decision)
    if why then return nil, why end
    decision = said or decision
    state = M.state(entry, decision)
  end
  if state == "denied" then return denied(entry, decision) end
  if state == "undecided" or state == "changed" then return refuse(entry, decision) end
  return effective.of(entry.manifest.capabilities, decision, M.standing(entry))
end

--- What the core is told: what is granted and, where that is less, what was asked, so that a refusal can say so.
---@param entry ExtensionEntry loaded
---@return table?, Problem?
function M.described(entry)
  local granted, why = M.of(entry)
  if not granted then return nil, why end
  if next(effective.withheld(entry.manifest.capabilities, granted)) then
    granted.asked, granted.extension = effective.copy(entry.manifest.capabilities), entry.name
  end
  return granted
end

return M
