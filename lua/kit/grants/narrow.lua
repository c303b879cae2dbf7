--- A person's words about what an extension may do, read against what it asks for.
local effective = require "kit.grants.effective"
local problem = require "kit.problem"
local suggest = require "kit.suggest"
local within = require "kit.grants.within"

local M = {}

local KNOWN = {}
for _, kind in ipairs(effective.KINDS) do KNOWN[kind] = true end

local function kind_of(word)
  if KNOWN[word] then return word end
  return problem.fail("usage", ("there is no capability `%s`"):format(word),
    { hint = suggest.hint(word, effective.KINDS) or "there are: " .. table.concat(effective.KINDS, ", ") })
end

--- One that a person typed: "src/**" means the project's.
local function spelled(kind, word)
  if (kind == "fs.read" or kind == "fs.write") and not word:match "^[/$]" then return "$PROJECT/" .. word end
  return word
end

--- A typed grant as it is recorded: it lies within what is asked for.
---@param asked table capabilities
---@param kind string
---@param word string
---@return string?, Problem?
function M.grant(asked, kind, word)
  local one = spelled(kind, word)
  if word ~= "" and within.any(kind, asked[kind] or {}, one) then return one end
  if #(asked[kind] or {}) == 0 then
    return problem.fail("usage", ("its manifest does not ask for %s, so there is nothing to allow"):format(kind))
  end
  return problem.fail("usage", ("%s = %s is not within what it asks for"):format(kind, word),
    { hint = "it asks for " .. table.concat(asked[kind], ", ") })
end

local function allow(asked, narrowed, fresh, words)
  local name, value = words:match "^([^=]+)=(.*)$"
  local kind, why = kind_of(name or words)
  if not kind then return nil, why end
  if not name then
    if #asked[kind] == 0 then return M.grant(asked, kind, "") end
    narrowed[kind] = nil
    return true
  end
  local one, bad = M.grant(asked, kind, value)
  if not one then return nil, bad end
  if not fresh[kind] then narrowed[kind], fresh[kind] = {}, true end
  table.insert(narrowed[kind], one)
  return true
end

--- Takes away a capability, or one grant of it.
local function deny(asked, narrowed, words)
  local name, value = words:match "^([^=]+)=(.*)$"
  local kind, why = kind_of(name or words)
  if not kind then return nil, why end
  local left = {}
  local one = name and spelled(kind, value)
  for _, has in ipairs(name and (narrowed[kind] or asked[kind]) or {}) do
    if has ~= value and not within.one(kind, one, has) then left[#left + 1] = has end
  end
  if name and #left == #(narrowed[kind] or asked[kind]) then
    return problem.fail("usage", ("%s = %s is not what it may do as a whole"):format(kind, value),
      { hint = ("--allow '%s=…'   names what it may instead"):format(kind) })
  end
  narrowed[kind] = left
  return true
end

--- What is left of the capabilities after the words of --allow and --deny.
---@param asked table capabilities
---@param before table<string, string[]> what was narrowed already
---@param words { allow: string[]?, deny: string[]? } "net", "fs.read=src/**"
---@return table<string, string[]>? narrowed
---@return Problem?
function M.read(asked, before, words)
  local narrowed, fresh = {}, {}
  for kind, list in pairs(before) do narrowed[kind] = list end
  for _, one in ipairs(words.allow or {}) do
    local ok, why = allow(asked, narrowed, fresh, one)
    if not ok then return nil, why end
  end
  for _, one in ipairs(words.deny or {}) do
    local ok, why = deny(asked, narrowed, one)
    if not ok then return nil, why end
  end
  return narrowed
end

--- What is narrowed of what is asked for now, where a part of it was narrowed before.
---@param decision Decision about what was asked before
---@param asked table
---@param more boolean whether what is new and wider is allowed
---@return table<string, string[]|string>
function M.carry(decision, asked, more)
  local narrowed, found = {}, effective.difference(decision.asked, asked)
  local had = effective.of(decision.asked, decision, false)
  for _, kind in ipairs(effective.KINDS) do
    local extra = { found.new[kind] or {}, found.widened[kind] or {} }
    if decision.allow[kind] or not more and #extra[1] + #extra[2] > 0 then
      local kept = within.both(kind, asked[kind] or {}, had[kind])
      for _, part in ipairs(more and extra or {}) do table.move(part, 1, #part, #kept + 1, kept) end
      narrowed[kind] = kept
    end
  end
  for _, key in ipairs(effective.LIMITS) do
    if found.widened[key] and not more then
      narrowed[key] = had[key]
    elseif not found.widened[key] then
      narrowed[key] = decision.allow[key]
    end
  end
  return narrowed
end

return M
