--- How it stands with what an extension may do: asked, granted, taken away, and who decided it.
local effective = require "kit.grants.effective"
local gate = require "kit.grants.gate"
local json = require "sy.json"
local null = require "kit.null"
local permissions = require "kit.permissions"
local plain = require "kit.plain"
local record = require "kit.grants.record"

local or_null = null.of

local M = {}

---@class Standing
---@field state string
---@field asked table
---@field granted table what it may do now
---@field withheld table<string, string[]>
---@field decision Decision?

--- How it stands with an entry.
---@param entry ExtensionEntry loaded
---@return Standing?, Problem?
function M.of(entry)
  local decision, damaged = record.find(record.key(entry))
  if damaged then return nil, damaged end
  local asked, state = entry.manifest.capabilities, gate.state(entry, decision)
  local granted = effective.of(asked, decision, gate.standing(entry))
  return { state = state, asked = asked, granted = granted, withheld = effective.withheld(asked, granted),
    decision = decision }
end

--- Lists as JSON lists, also the empty ones.
---@param map table
---@return table
function M.lists(map)
  local out = {}
  for key, value in pairs(map) do
    out[key] = type(value) == "table" and json.array(table.move(value, 1, #value, 1, {})) or value
  end
  return out
end

--- What `ext show --json` has of it.
---@param entry ExtensionEntry loaded
---@return table granted
---@return string state
function M.document(entry)
  local now = M.of(entry)
  if not now then return M.lists(effective.of(entry.manifest.capabilities, nil, false)), "unknown" end
  return M.lists(now.granted), now.state
end

local WHY = {
  bundled = "allowed, for it came with the program",
  user = "allowed, for it is one of your own",
}

local WORDS = {
  undecided = "not allowed yet",
  changed = "allowed in part: it asks for more than you allowed",
  denied = "denied",
  narrowed = "allowed in part",
  granted = "allowed",
}

--- In one line: how it stands, since when, by whom.
---@param entry ExtensionEntry
---@param now Standing
---@return string
function M.line(entry, now)
  local decision = now.decision
  if not decision then
    if gate.standing(entry) then return WHY[entry.origin] end
    return now.state == "granted" and "allowed, for it asks for nothing" or WORDS[now.state]
  end
  return ("%s, by %s on %s (%s)"):format(WORDS[now.state], plain.clean(decision.by),
    plain.clean(decision.at:sub(1, 10)), plain.clean(decision.how))
end

--- What `ext show` prints of it.
---@param ctx Context
---@param entry ExtensionEntry loaded
function M.print(ctx, entry)
  local now, damaged = M.of(entry)
  if not now then return ctx:complain(damaged) end
  ctx:print("It is " .. M.line(entry, now))
  for _, sentence in ipairs(permissions.sentences(now.withheld)) do
    ctx:print("  taken away or narrowed: " .. sentence)
  end
end

--- The decision as a document has it.
---@param decision? Decision
---@return table|userdata
function M.decision(decision)
  if not decision then return json.null end
  return { by = decision.by, at = decision.at, how = decision.how, file = record.file(),
    line = or_null(decision.line) }
end

return M
