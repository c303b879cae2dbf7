--- ext permissions: what extensions ask for and may do, and what the person decides about it.
local args = require "cli.args"
local common = require "cli.ext.common"
local effective = require "kit.grants.effective"
local exit = require "cli.exit"
local gate = require "kit.grants.gate"
local json = require "sy.json"
local narrow = require "kit.grants.narrow"
local null = require "kit.null"
local permissions = require "kit.permissions"
local plain = require "kit.plain"
local problem = require "kit.problem"
local record = require "kit.grants.record"
local registry = require "kit.registry"
local standing = require "cli.ext.standing"
local text = require "cli.output.text"
local uses = require "cli.ext.uses"

local or_null = null.of
local USAGE = "ext permissions [NAME] [--approve] [--allow WHAT]... [--deny WHAT]... [--reset]"

-- ---- deciding ----

local function is_edit(options)
  return options.approve or options.reset or options.allow or options.deny
end

local function denies_all(options)
  for _, word in ipairs(options.deny or {}) do
    if word == "all" then return true end
  end
  return false
end

local function together(options)
  if options.reset and (options.approve or options.allow or options.deny) then return "--reset stands alone" end
  if denies_all(options) and (options.approve or options.allow) then return "--deny all stands alone" end
  return nil
end

--- What was narrowed and stays so: with --approve of unchanged permissions nothing, for it allows all again.
local function kept(entry, before, options)
  local asked = entry.manifest.capabilities
  if not before or before.state == "denied" then return {} end
  local changed = not gate.standing(entry) and not effective.covers(before, asked)
  if options.approve and not changed then return {} end
  return narrow.carry(before, asked, changed)
end

local function decide(entry, options)
  local key, asked = record.key(entry), entry.manifest.capabilities
  local odd = together(options)
  if odd then return problem.fail("usage", odd) end
  if options.reset then return record.forget(key) end
  if denies_all(options) then return record.put(record.new(key, asked, "ext permissions", { state = "denied" })) end
  local before, damaged = record.find(key)
  if damaged then return nil, damaged end
  local allow, why = narrow.read(asked, kept(entry, before, options), options)
  if not allow then return nil, why end
  return record.put(record.new(key, asked, "ext permissions", { allow = allow }))
end

-- ---- showing ----

local function counts(ctx, entry)
  local list = json.array {}
  for i, one in ipairs(ctx.opened and uses.of(ctx.opened, entry.name) or {}) do list[i] = one end
  return list
end

local function document(ctx, entry, now, detail)
  local lists = standing.lists
  local out = { name = entry.name, version = entry.manifest.extension.version, origin = entry.origin,
    state = now.state, asked = lists(effective.copy(now.asked)), granted = lists(now.granted),
    withheld = lists(now.withheld), manifest = { file = entry.file, line = or_null(gate.line(entry, now.asked)) },
    decision = standing.decision(now.decision) }
  if detail then out.audit, out.uses = ctx:setting "kit.audit", counts(ctx, entry) end
  return out
end

local function block(ctx, title, lines)
  if #lines == 0 then return end
  ctx:print(title)
  for _, line in ipairs(lines) do
    for _, part in ipairs(plain.wrap(line, ctx.style.columns, "  ")) do ctx:print(part) end
  end
end

local function print_uses(ctx, entry)
  local lines = {}
  for i, one in ipairs(counts(ctx, entry)) do
    lines[i] = ("%s: %d times%s"):format(one.capability, one.allowed + one.denied,
      one.denied > 0 and (", %d of them refused"):format(one.denied) or "")
  end
  if not ctx.opened then return end
  if #lines == 0 then lines[1] = "nothing of it is recorded" end
  block(ctx, "In the last runs", lines)
  if ctx:setting "kit.audit" ~= "all" then
    ctx:print "  only refusals are recorded   symphony config set kit.audit all"
  end
end

local function print_one(ctx, entry, now)
  ctx:print(("%s %s, %s: %s"):format(ctx.style:paint("bold", entry.name), plain.clean(entry.manifest.extension.version),
    entry.origin, standing.line(entry, now)))
  block(ctx, "It asks for", permissions.words(now.asked))
  if next(now.withheld) then
    block(ctx, "It may", permissions.words(now.granted))
    block(ctx, "Taken away or narrowed", permissions.sentences(now.withheld))
  end
  block(ctx, "It", { permissions.never(now.granted) })
  ctx:print("A call gets " .. plain.clean(permissions.limits(now.granted)))
  print_uses(ctx, entry)
end

local function show_one(ctx, entry)
  local now, why = standing.of(entry)
  if not now then return nil, why end
  if ctx.json then ctx:document(document(ctx, entry, now, true)) else print_one(ctx, entry, now) end
  return exit.DONE
end

local function show_all(ctx, found)
  local list, rows = json.array {}, {}
  for _, entry in ipairs(found:all()) do
    local now, why
    if registry.load(entry) then
      now, why = standing.of(entry)
      if not now then return nil, why end
      list[#list + 1] = document(ctx, entry, now)
      rows[#rows + 1] = { entry.name, entry.origin, now.state, table.concat(permissions.words(now.granted), "; ") }
    end
  end
  if ctx.json then
    ctx:document { extensions = list }
    return exit.DONE
  end
  for _, line in ipairs(text.table(rows)) do
    ctx:print(text.cut(line, ctx.style.columns, ctx.style:letter "ellipsis"))
  end
  return exit.DONE
end

local function run(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  if not words[1] and is_edit(words.options) then
    return problem.fail("usage", "NAME is missing", { hint = "symphony " .. USAGE })
  end
  local opened, closed = common.open(ctx)
  if not opened then return nil, closed end
  local found = registry.new(ctx:place())
  if not words[1] then return show_all(ctx, found) end
  local entry, none = found:extension(words[1])
  if not entry then return nil, none end
  if is_edit(words.options) then
    local done, bad = decide(entry, words.options)
    if not done then return nil, bad end
  end
  return show_one(ctx, entry)
end

return {
  name = "permissions",
  summary = "what extensions ask for and may do; allow it, take it away",
  usage = USAGE,
  options = {
    { name = "approve", doc = "it may do what it asks for" },
    { name = "allow", argument = "WHAT", repeated = true,
      doc = "of a capability only this: 'fs.read=src/**'; or all it asks for again: fs.read" },
    { name = "deny", argument = "WHAT", repeated = true,
      doc = "not this: net, or 'net=example.org:443'; all: it may not be used" },
    { name = "reset", doc = "forget what was decided; it is asked again" },
  },
  example = "symphony ext permissions search --allow 'fs.read=src/**' --deny process",
  run = run,
}
