--- config: settings, where they come from, and changing them.
local args = require "cli.args"
local config = require "kit.config"
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local project = require "kit.project"
local text = require "cli.output.text"

local function source_of(origin)
  if origin.file then
    return ("%s config: %s%s"):format(origin.from, origin.file, origin.line and ":" .. origin.line or "")
  end
  if origin.variable then return "environment: " .. origin.variable end
  return origin.from
end

local function origin_document(origin)
  return {
    from = origin.from, value = origin.value, file = origin.file or json.null, line = origin.line or json.null,
    variable = origin.variable or json.null,
  }
end

local function get(ctx, words)
  local ok, why = args.count(words, 1, 1, "config get KEY [--why]")
  if not ok then return nil, why end
  local setting, unknown = config.declared(words[1])
  if not setting then return nil, unknown end
  local origins = ctx:settings():why(setting.key)
  if ctx.json then
    local list = json.array {}
    for i, origin in ipairs(origins) do list[i] = origin_document(origin) end
    ctx:document { key = setting.key, value = origins[1].value, from = origins[1].from, doc = setting.doc,
      unit = setting.unit or json.null, origins = list }
    return exit.DONE
  end
  ctx:print(tostring(origins[1].value))
  if not words.options.why then return exit.DONE end
  local rows = {}
  for i, origin in ipairs(origins) do rows[i] = { i == 1 and ">" or " ", tostring(origin.value), source_of(origin) } end
  ctx:print(setting.doc)
  for _, line in ipairs(text.table(rows)) do ctx:print(line) end
  return exit.DONE
end

local function ls(ctx, words)
  local ok, why = args.count(words, 0, 0, "config ls")
  if not ok then return nil, why end
  local list, rows = json.array {}, {}
  for i, setting in ipairs(ctx:settings():list()) do
    local value, origin = ctx:settings():get(setting.key)
    list[i] = { key = setting.key, value = value, from = origin.from, default = setting.default, doc = setting.doc,
      unit = setting.unit or json.null }
    rows[i] = { setting.key, tostring(value), setting.unit or "", origin.from }
  end
  if ctx.json then
    ctx:document { settings = list }
    return exit.DONE
  end
  for _, line in ipairs(text.table(rows)) do ctx:print(line) end
  return exit.DONE
end

--- Which file `set` changes.
local function target(ctx, words)
  local files = config.files(ctx:place())
  if words.options.user then return files[2].file end
  local place = ctx:place()
  local ok, why = project.check(place)
  if not ok then return nil, why end
  if not place.trusted then
    return problem.fail("not_trusted", "the settings of a project count only where it is trusted",
      { hint = "symphony trust   or set it for yourself with --user" })
  end
  local host, closed = ctx:host()
  if not host then return nil, closed end
  return files[1].file
end

local function set(ctx, words)
  local ok, why = args.count(words, 1, 2, "config set KEY [VALUE] [--user]")
  if not ok then return nil, why end
  local setting, unknown = config.declared(words[1])
  if not setting then return nil, unknown end
  local value, bad
  if words[2] then
    value, bad = config.check(setting, words[2], {})
    if value == nil then return nil, bad end
  end
  local file, refused = target(ctx, words)
  if not file then return nil, refused end
  ok, why = config.write(file, setting.key, value)
  if not ok then return nil, why end
  if ctx.json then
    ctx:document { key = setting.key, value = value == nil and json.null or value, file = file }
  else
    ctx:say(("%s %s   %s"):format(setting.key, value == nil and "is no longer set" or "= " .. tostring(value),
      paths.relative(file, ctx:place().dir)))
  end
  return exit.DONE
end

return {
  name = "config",
  summary = "settings: their values, where they come from, changing them",
  usage = "config get|ls|set",
  example = "symphony config get run.durability --why",
  subcommands = {
    { name = "get", summary = "the value of one setting", usage = "config get KEY [--why]",
      options = { { name = "why", doc = "say where the value comes from, and what it hides" } },
      example = "symphony config get run.durability --why", run = get },
    { name = "ls", summary = "all settings", usage = "config ls", options = {}, example = "symphony config ls",
      run = ls },
    { name = "set", summary = "change a setting; without VALUE take it back", usage = "config set KEY [VALUE] [--user]",
      options = { { name = "user", doc = "for you in every project, not only in this one" } },
      example = "symphony config set run.durability process --user", run = set },
  },
}
