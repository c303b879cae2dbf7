--- What is said of changes of installed packages: by install, update, rollback and remove.
local exit = require "cli.exit"
local isolation = require "kit.isolation"
local json = require "sy.json"
local null = require "kit.null"
local record = require "kit.package.record"
local rows = require "kit.package.rows"
local text = require "cli.output.text"

local or_null = null.of

local M = {}

local function isolation_of(change, state)
  if change.action == "remove" then return nil, nil end
  local package = state and state.packages[change.name]
  return isolation.of { origin = "installed", package = { trusted = package and package.trusted or false } }
end

local function document(change, state)
  local one = change.one
  local where, reason = isolation_of(change, state)
  return {
    name = change.name, action = change.action, version = change.version, before = or_null(change.before),
    hash = one.hash, origin = one.origin, from = one.from, revision = or_null(one.revision),
    isolation = or_null(where), reason = or_null(reason),
    signature = { state = one.signature.state, key = or_null(one.signature.key),
      signer = or_null(one.signature.signer), comment = or_null(one.signature.comment) },
  }
end

local DONE = { install = "installed", update = "updated", rollback = "back", remove = "removed" }

local function signed(signature)
  if signature.state == "verified" then return "signed by " .. text.clean(signature.signer) end
  if signature.state == "unknown" then
    return ("signed with the key %s, which is not known here"):format(signature.key)
  end
  return "not signed"
end

local function tell(ctx, change, state)
  local from = change.before and ("  %s %s"):format(change.before, ctx.style:letter "arrow") or " "
  ctx:say(("%s %s%s %s"):format(DONE[change.action], ctx.style:paint("bold", change.name), from, change.version))
  if change.action == "remove" then return end
  local origin = change.one.revision and (" at %s"):format(change.one.revision:sub(1, 12)) or ""
  ctx:say(("  from %s%s, %s"):format(text.clean(change.one.from), origin, signed(change.one.signature)))
  local where, reason = isolation_of(change, state)
  if where == "process" then ctx:say("  it runs in a process of its own: " .. reason) end
end

--- Records the changes in the project and says what they are.
---@param ctx Context
---@param changes PackageChange[]
---@param options? { lock: string?, nothing: string? }
---@return integer?, Problem?
function M.finish(ctx, changes, options)
  options = options or {}
  local ok, why = rows.changed(ctx, changes)
  if not ok then return nil, why end
  local state = record.read()
  if ctx.json then
    local list = json.array {}
    for i, change in ipairs(changes) do list[i] = document(change, state) end
    ctx:document { changes = list, lock = or_null(options.lock) }
    return exit.DONE
  end
  for _, change in ipairs(changes) do tell(ctx, change, state) end
  if #changes == 0 and options.nothing then ctx:say(options.nothing) end
  if options.lock then ctx:say(options.lock .. " says which versions count here; commit it with the project") end
  return exit.DONE
end

M.FROM = { name = "from", argument = "FOLDER", repeated = true, doc = "a folder of .sympkg files" }
M.KEY = { name = "key", argument = "KEY", doc = "only what is signed with this key: a .pub file, or its line" }
M.YES = { name = "yes", doc = "it may do what is listed; for scripts" }

return M
