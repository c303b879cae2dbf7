--- trust: let melodies and extensions of this project run.
local args = require "cli.args"
local consent = require "kit.consent"
local exit = require "cli.exit"
local json = require "sy.json"
local plain = require "kit.plain"
local registry = require "kit.registry"
local trust = require "kit.trust"

--- The project's extensions whose manifests can be read.
local function own(place)
  local list = {}
  for _, entry in ipairs(registry.own(place)) do
    entry.manifest = registry.manifest(entry)
    if entry.manifest then list[#list + 1] = entry end
  end
  return list
end

local function tell(ctx, dir, changed, allowed)
  ctx:say(("%s %s"):format(dir, changed and "is trusted now" or "was trusted already"))
  for _, one in ipairs(allowed) do
    local said = one.before and "may more now" or "may be used. It"
    ctx:say(("%s %s"):format(ctx.style:paint("bold", one.entry.name), said))
    for _, line in ipairs(consent.lines(one.entry, one.before)) do
      for _, part in ipairs(plain.wrap(line, ctx.style.columns, "  ")) do ctx:say(part) end
    end
  end
  if #allowed > 0 then ctx:say "symphony ext permissions NAME   takes something away" end
end

return {
  name = "trust",
  summary = "let melodies and extensions of this project run",
  usage = "trust",
  options = {},
  example = "symphony trust --project ~/src/project",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "trust")
    if not ok then return nil, why end
    local dir = ctx:place().dir
    local allowed, damaged = consent.trust(own(ctx:place()))
    if not allowed then return nil, damaged end
    local changed, bad = trust.grant(dir)
    if changed == nil then return nil, bad end
    if not ctx.json then
      tell(ctx, dir, changed, allowed)
      return exit.DONE
    end
    local names = json.array {}
    for i, one in ipairs(allowed) do names[i] = one.entry.name end
    ctx:document { project = dir, trusted = trust.trusted(dir), changed = changed, allowed = names }
    return exit.DONE
  end,
}
