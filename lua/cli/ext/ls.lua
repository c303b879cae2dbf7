--- ext ls: the extensions there are.
local args = require "cli.args"
local common = require "cli.ext.common"
local exit = require "cli.exit"
local json = require "sy.json"
local null = require "kit.null"
local players = require "kit.players"
local registry = require "kit.registry"
local text = require "cli.output.text"

local or_null = null.of

--- Why it cannot be called, or is passed over.
local function reason_of(ctx, entry, problems)
  if problems then return problems[1].message end
  local failure = common.failure(ctx, entry.name)
  if failure then return failure end
  for _, one in ipairs(common.players(ctx, entry.name)) do
    if one.state ~= "eligible" then return players.line(one) end
  end
end

local function ls(ctx, words)
  local ok, why = args.count(words, 0, 0, "ext ls")
  if not ok then return nil, why end
  local opened, closed = common.open(ctx)
  if not opened then return nil, closed end
  local list, rows, found = json.array {}, {}, registry.new(ctx:place())
  for i, entry in ipairs(found:all()) do
    local loaded, problems = registry.load(entry)
    local about = loaded and entry.manifest.extension
    local reason = reason_of(ctx, entry, not loaded and problems or nil)
    list[i] = {
      name = entry.name,
      type = or_null(about and about.type),
      version = or_null(about and about.version),
      origin = entry.origin,
      state = loaded and common.state(ctx, entry.name) or "error",
      description = or_null(about and about.description),
      reason = or_null(reason),
      operations = json.array(loaded and registry.operation_names(entry) or {}),
    }
    rows[i] = { entry.name, about and about.version or "", entry.origin, list[i].state,
      text.clean(reason or about.description) }
  end
  if ctx.json then
    ctx:document { extensions = list }
    return exit.DONE
  end
  for _, entry in pairs(found.withheld) do
    rows[#rows + 1] = { entry.name, "", entry.origin, "not trusted", "symphony trust   lets it run; read it first" }
  end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  for _, line in ipairs(text.table(rows)) do
    ctx:print(text.cut(line, ctx.style.columns, ctx.style:letter "ellipsis"))
  end
  return exit.DONE
end

return {
  name = "ls",
  summary = "the extensions there are",
  usage = "ext ls",
  options = {},
  example = "symphony ext ls",
  run = ls,
}
