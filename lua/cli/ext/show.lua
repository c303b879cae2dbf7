--- ext show: an extension, or one of its operations.
local args = require "cli.args"
local common = require "cli.ext.common"
local exit = require "cli.exit"
local help = require "cli.help"
local json = require "sy.json"
local null = require "kit.null"
local origin = require "cli.ext.origin"
local permissions = require "kit.permissions"
local players = require "kit.players"
local plain = require "kit.plain"
local problem = require "kit.problem"
local registry = require "kit.registry"
local standing = require "cli.ext.standing"
local suggest = require "kit.suggest"
local text = require "cli.output.text"

local or_null = null.of

local function operation_document(name, operation)
  return {
    name = name, doc = or_null(operation.doc), effects = operation.effects, idempotent = operation.idempotent,
    cache = operation.cache, input = or_null(operation.input), output = or_null(operation.output),
  }
end

local function kind_of(property)
  local kind = type(property) == "table" and property.type or nil
  if type(kind) == "table" then return table.concat(kind, " or ") end
  if kind then return kind end
  local first = type(property) == "table" and type(property.enum) == "table" and property.enum[1]
  return first and type(first) or "any"
end

local function property_words(property)
  if type(property) ~= "table" then return "" end
  local choices = {}
  for i, choice in ipairs(property.enum or {}) do choices[i] = tostring(choice) end
  local list = #choices > 0 and "one of: " .. table.concat(choices, ", ") or nil
  return property.description and list and property.description .. "; " .. list or property.description or list or ""
end

local function schema_rows(schema)
  local rows, required, names = {}, {}, {}
  for _, name in ipairs(schema and schema.required or {}) do required[name] = true end
  for name in pairs(schema and schema.properties or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local property = schema.properties[name]
    rows[i] = { name, kind_of(property), required[name] and "required" or "", property_words(property) }
  end
  return rows
end

local function print_schema(ctx, title, schema)
  local rows = schema_rows(schema)
  if #rows == 0 then return end
  ctx:print(title)
  local cells = {}
  for i, row in ipairs(rows) do cells[i] = { row[1], row[2], row[3] } end
  local heads, list = text.table(cells), {}
  for i, row in ipairs(rows) do list[i] = { heads[i], row[4] } end
  help.rows(ctx, list)
end

local function show_operation(ctx, entry, name)
  local operation = entry.manifest.operation[name]
  if not operation then
    local names = registry.operation_names(entry)
    return problem.fail("not_found", ("%s has no operation `%s`"):format(entry.name, name),
      { hint = suggest.hint(name, names) or "it has: " .. table.concat(names, ", ") })
  end
  if ctx.json then
    local document = operation_document(name, operation)
    document.extension = entry.name
    ctx:document(document)
    return exit.DONE
  end
  help.rows(ctx, { { ctx.style:paint("bold", entry.name .. "." .. name), text.clean(operation.doc) } })
  ctx:print(("effects: %s%s"):format(operation.effects, operation.idempotent and ", safe to repeat" or ""))
  print_schema(ctx, "Input", operation.input)
  print_schema(ctx, "Output", operation.output)
  return exit.DONE
end

--- What is promised, and how it is kept.
local function print_players(ctx, entry)
  local promise, list = entry.manifest.player, common.players(ctx, entry.name)
  if not promise and #list == 0 then return end
  ctx:print "As a player"
  local kept = promise and promise.max_error_rate
  if kept then ctx:print(("  at most %g %% of its calls fail"):format(kept * 100)) end
  if promise and promise.p95_ms then ctx:print(("  95 of 100 calls take at most %g ms"):format(promise.p95_ms)) end
  for _, one in ipairs(list) do ctx:print("  " .. players.line(one)) end
end

local function show_extension(ctx, entry)
  local about, names = entry.manifest.extension, registry.operation_names(entry)
  if ctx.json then
    local operations = json.array {}
    for i, name in ipairs(names) do operations[i] = operation_document(name, entry.manifest.operation[name]) end
    local document = {
      name = entry.name, version = about.version, type = about.type, category = about.category,
      description = about.description, license = about.license, origin = entry.origin, path = or_null(entry.dir),
      state = common.state(ctx, entry.name), code_hash = entry.code_hash, capabilities = entry.manifest.capabilities,
      operations = operations, player = or_null(entry.manifest.player),
      players = players.document(common.players(ctx, entry.name)),
    }
    for key, value in pairs(origin.document(entry)) do document[key] = value end
    document.granted, document.permission = standing.document(entry)
    ctx:document(document)
    return exit.DONE
  end
  ctx:print(("%s %s  %s"):format(ctx.style:paint("bold", entry.name), about.version,
    text.clean(about.description)))
  local license = about.license ~= "" and ", " .. text.clean(about.license) or ""
  ctx:print(("%s, %s%s"):format(about.type, entry.origin, license))
  origin.print(ctx, entry)
  ctx:print("Operations")
  local rows = {}
  for i, name in ipairs(names) do
    rows[i] = { entry.name .. "." .. name, text.clean(entry.manifest.operation[name].doc) }
  end
  help.rows(ctx, rows)
  ctx:print("It")
  for _, sentence in ipairs(permissions.words(entry.manifest.capabilities)) do ctx:print("  " .. sentence) end
  local never = permissions.never(entry.manifest.capabilities)
  for _, part in ipairs(never and plain.wrap(never, ctx.style.columns, "  ") or {}) do ctx:print(part) end
  ctx:print("A call gets " .. permissions.limits(entry.manifest.capabilities))
  standing.print(ctx, entry)
  print_players(ctx, entry)
  return exit.DONE
end

local function show(ctx, words)
  local ok, why = args.count(words, 1, 1, "ext show NAME[.OP]")
  if not ok then return nil, why end
  local opened, closed = common.open(ctx)
  if not opened then return nil, closed end
  local name, operation = words[1]:match("^([^%.]+)%.?(.*)$")
  local entry, none = registry.new(ctx:place()):extension(name or words[1])
  if not entry then return nil, none end
  if operation ~= "" then return show_operation(ctx, entry, operation) end
  return show_extension(ctx, entry)
end

return {
  name = "show",
  summary = "an extension, or one of its operations",
  usage = "ext show NAME[.OP]",
  options = {},
  example = "symphony ext show git.diff",
  run = show,
}
