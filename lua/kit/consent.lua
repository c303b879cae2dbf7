--- Asks the person whether an extension may do what its manifest asks for: when it is installed, when it is used for
--- the first time, and when that changes. What they decide is recorded under the person's data (kit.grants.record).
local effective = require "kit.grants.effective"
local narrow = require "kit.grants.narrow"
local permissions = require "kit.permissions"
local plain = require "kit.plain"
local problem = require "kit.problem"
local record = require "kit.grants.record"
local term = require "sy.term"

local M = {}

---@class ConsentRequest
---@field new table manifest
---@field old table? manifest of the version in use
---@field from string where it comes from

local function is_here(ctx)
  return not ctx.json and ctx.terminal.stdin and ctx.terminal.stderr
end

local function wrapped(ctx, lines)
  local all = {}
  for _, line in ipairs(lines) do
    for _, part in ipairs(plain.wrap(line, ctx.error_style.columns, "  ")) do all[#all + 1] = part end
  end
  return all
end

local function say(ctx, lines)
  for _, line in ipairs(wrapped(ctx, lines)) do term.write(2, line, "\n") end
end

--- What is asked and what is not, or only what has changed.
local function lines_of(asked, before)
  if before then return permissions.changes(effective.difference(before.asked, asked)) end
  local lines = permissions.words(asked)
  lines[#lines + 1] = permissions.never(asked)
  lines[#lines + 1] = "A call gets " .. plain.clean(permissions.limits(asked))
  return lines
end

local function ask(question)
  term.write(2, question)
  local line = term.read_line(0)
  return line and line:match "^%s*(.-)%s*$"
end

--- One grant: kept, dropped, or what was typed instead of it.
local function ask_one(asked, kind, one)
  while true do
    local answer = ask(("  %s   [Y]es, [n]o, or what instead: "):format(permissions.sentences({ [kind] = { one } })[1]))
    if not answer or answer:lower() == "n" then return {} end
    if answer == "" or answer:lower() == "y" then return { one } end
    local list, why = {}, nil
    for word in answer:gmatch "[^,%s]+" do
      local grant, bad = narrow.grant(asked, kind, word)
      list[#list + 1], why = grant, why or bad
    end
    if not why then return list end
    term.write(2, "    ", plain.clean(why.message), "\n")
  end
end

--- What is left of each capability after the person went through it grant by grant.
local function change(asked, allow)
  local left = {}
  for _, key in ipairs(effective.LIMITS) do left[key] = allow[key] end
  for _, kind in ipairs(effective.KINDS) do
    local kept, changed = {}, allow[kind] ~= nil
    for _, one in ipairs(allow[kind] or asked[kind] or {}) do
      local list = ask_one(asked, kind, one)
      changed = changed or #list ~= 1 or list[1] ~= one
      table.move(list, 1, #list, #kept + 1, kept)
    end
    if changed then left[kind] = kept end
  end
  return left
end

--- Goes on until the person says yes or no. What is narrowed; nil: no.
local function converse(ctx, asked, before)
  local allow = before and narrow.carry(before, asked, true) or {}
  while true do
    local answer = ask("May it? [y]es, [N]o, [c]hange: ")
    local word = answer and answer:lower():sub(1, 1)
    if word == "y" then return allow end
    if word ~= "c" then return nil end
    allow = change(asked, allow)
    local granted = effective.of(asked, { state = "granted", asked = asked, allow = allow }, true)
    term.write(2, "So it\n")
    say(ctx, permissions.words(granted))
    say(ctx, { permissions.never(granted) })
  end
end

-- ---- when it is installed ----

local function tell(ctx, request, before)
  local about = request.new.extension
  ctx:note(("%s %s from %s"):format(about.name, plain.clean(about.version), plain.clean(request.from)))
  for _, line in ipairs(wrapped(ctx, lines_of(request.new.capabilities, before))) do ctx:note(line) end
end

local function remember(key, asked, how, allow)
  local ok, why = record.put(record.new(key, asked, how, { allow = allow }))
  if not ok then return nil, why end
  return true
end

--- Whether nothing more is asked for than was decided on. What is gone is told, and asked about when it comes again.
local function less(ctx, request, key, before)
  local asked = request.new.capabilities
  local found = effective.difference(before.asked, asked)
  if found.more then return false end
  if next(found.gone) == nil then return true end
  tell(ctx, request, before)
  return remember(key, asked, before.how, narrow.carry(before, asked, true))
end

--- Whether it may be installed. `--yes` says so beforehand; without a terminal nobody can be asked.
---@param ctx Context
---@param request ConsentRequest
---@return boolean?, Problem?
function M.ask(ctx, request)
  local asked, name = request.new.capabilities, request.new.extension.name
  local key = { extension = name, origin = "installed" }
  local before, damaged = record.find(key)
  if damaged then return nil, damaged end
  if not request.old then before = nil end
  if before and before.state == "denied" then return true end
  if before then
    local fine, failed = less(ctx, request, key, before)
    if fine or failed then return fine, failed end
  end
  tell(ctx, request, before)
  if ctx.options.yes then return remember(key, asked, "--yes", before and narrow.carry(before, asked, true)) end
  if not is_here(ctx) then
    return problem.fail("permission_denied", ("nobody is here to say whether %s may do this"):format(name),
      { hint = "--yes   says so beforehand; nothing was changed" })
  end
  local allow = converse(ctx, asked, before)
  if allow then return remember(key, asked, "install", allow) end
  return problem.fail("permission_denied", ("%s may not, so nothing was changed"):format(name))
end

-- ---- when it is used ----

local PLACES = { project = "of this project", installed = "installed from elsewhere" }

--- Asks, where the person is here, whether an extension may be used; they are asked once. No to what has changed
--- leaves it what it had. nil without a problem: nobody is here.
---@param ctx Context
---@param entry ExtensionEntry loaded
---@param before? Decision about what it asked for before
---@return Decision?, Problem?
function M.first_use(ctx, entry, before)
  if not is_here(ctx) then return nil end
  local asked = entry.manifest.capabilities
  term.write(2, ("%s %s, %s, %s\n"):format(entry.name, plain.clean(entry.manifest.extension.version),
    PLACES[entry.origin] or entry.origin,
    before and "asks for more than you allowed" or "is used for the first time. It"))
  say(ctx, lines_of(asked, before))
  local more = { allow = converse(ctx, asked, before) }
  if not more.allow then
    more = before and { allow = narrow.carry(before, asked, false) } or { state = "denied" }
  end
  local decision = record.new(record.key(entry), asked, "first use", more)
  local ok, why = record.put(decision)
  if not ok then return nil, why end
  return (record.find(record.key(entry)))
end

-- ---- when a project is trusted ----

--- Records that the extensions of a project may do what they ask for now. What was narrowed stays, and what was denied.
---@param entries ExtensionEntry[] with their manifests
---@return { entry: ExtensionEntry, before: Decision? }[]? those that it was about
---@return Problem?
function M.trust(entries)
  local list = {}
  for _, entry in ipairs(entries) do
    local key, asked = record.key(entry), entry.manifest.capabilities
    local before, damaged = record.find(key)
    if damaged then return nil, damaged end
    local covered = before and (before.state == "denied" or effective.covers(before, asked))
    if not covered and effective.asks(asked) then
      local ok, why = remember(key, asked, "trust", before and narrow.carry(before, asked, true))
      if not ok then return nil, why end
      list[#list + 1] = { entry = entry, before = before }
    end
  end
  return list
end

--- What an extension asks for, or what has changed of it, in lines.
---@param entry ExtensionEntry loaded
---@param before? Decision
---@return string[]
function M.lines(entry, before)
  return lines_of(entry.manifest.capabilities, before)
end

return M
