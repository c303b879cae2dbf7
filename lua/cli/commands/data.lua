--- data: the rows of the data model, as docs/data-model.md describes them. Reading only.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local problem = require "kit.problem"
local suggest = require "kit.suggest"
local text = require "cli.output.text"

local USAGE = "data [ENTITY] [--where COLUMN=VALUE]... [--limit N]"
local DEFAULT_LIMIT = 100
local VALUE_WIDTH = 400

local TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"

--- The tables of the database: names in order, and the SQL that made each.
local function tables(host)
  local names, made = {}, {}
  for i, row in ipairs(host:query(TABLES, {})) do
    names[i], made[row.name] = row.name, row.sql
  end
  return names, made
end

--- Columns of a table, each with the SQL that reads it as a part of a JSON object.
local function columns(host, entity, sql)
  local list, known = {}, {}
  for i, column in ipairs(host:query(("SELECT name, type FROM pragma_table_info('%s')"):format(entity), {})) do
    local name, read = column.name, column.name
    if sql:find("json_valid(" .. name .. ")", 1, true) then read = ("json(%s)"):format(name) end
    if column.type == "BLOB" then read = ("length(%s)"):format(name) end
    list[i] = ("'%s', %s"):format(name, read)
    known[name] = true
    known[#known + 1] = name
  end
  return list, known
end

local function conditions(given, known)
  local wheres, values = {}, {}
  for i, pair in ipairs(given or {}) do
    local name, value = pair:match("^([%w_]+)=(.*)$")
    if not name then
      return problem.fail("usage", ("`%s` is not COLUMN=VALUE"):format(pair), { hint = "symphony " .. USAGE })
    end
    if not known[name] then
      return problem.fail("usage", ("there is no column `%s`"):format(name),
        { hint = suggest.hint(name, known) or "it has: " .. table.concat(known, ", ") })
    end
    wheres[i] = ("CAST(%s AS TEXT) = ?%d"):format(name, i)
    values[i] = value
  end
  return #wheres > 0 and " WHERE " .. table.concat(wheres, " AND ") or "", values
end

--- The latest rows of an entity as JSON texts, in the order of their keys.
local function rows_of(host, entity, sql, options)
  local list, known = columns(host, entity, sql)
  local where, values = conditions(options.where, known)
  if not where then return nil, values end
  local query = ([[SELECT row FROM (SELECT json_object(%s) AS row, row_number() OVER (ORDER BY %s) AS place
    FROM %s%s ORDER BY place DESC LIMIT %d) ORDER BY place]])
    :format(table.concat(list, ", "), known[1], entity, where, options.limit)
  local found, failure, code = host:query(query, values)
  if not found then return nil, problem.from(failure, code) end
  local rows = {}
  for i, row in ipairs(found) do rows[i] = row.row end
  return rows, known
end

local function overview(ctx, host, names)
  local list, rows = json.array {}, {}
  for i, name in ipairs(names) do
    local count = host:query(("SELECT count(*) AS n FROM %s"):format(name), {})[1].n
    list[i], rows[i] = { entity = name, rows = count }, { name, tostring(count) }
  end
  if ctx.json then
    ctx:document { entities = list }
  else
    for _, line in ipairs(text.table(rows, { right = { [2] = true } })) do ctx:print(line) end
  end
  return exit.DONE
end

local function print_row(ctx, row, known)
  local value, lines = json.decode(row), {}
  for i, name in ipairs(known) do
    local shown = value[name]
    if type(shown) == "table" then shown = json.encode(shown) end
    if shown == json.null then shown = "" end
    lines[i] = { name, text.cut(text.clean(tostring(shown)), VALUE_WIDTH, ctx.style:letter "ellipsis") }
  end
  for _, line in ipairs(text.table(lines)) do ctx:print(line) end
end

local function show(ctx, host, entity, made, options)
  local rows, known = rows_of(host, entity, made[entity], options)
  if not rows then return nil, known end
  if ctx.json then
    ctx:print(('{"entity":"%s","rows":[%s]}'):format(entity, table.concat(rows, ",")))
    ctx.documented = true
    return exit.DONE
  end
  for i, row in ipairs(rows) do
    if i > 1 then ctx:print "" end
    print_row(ctx, row, known)
  end
  if #rows == 0 then ctx:say("no rows") end
  return exit.DONE
end

return {
  name = "data",
  summary = "the rows of the data model, read only",
  usage = USAGE,
  options = {
    { name = "where", argument = "COLUMN=VALUE", repeated = true, doc = "only rows with this value in that column" },
    { name = "limit", argument = "N", default = tostring(DEFAULT_LIMIT), doc = "only the latest N rows" },
  },
  example = "symphony data task --where task_status=failed --json",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, USAGE)
    if not ok then return nil, why end
    local limit = math.tointeger(tonumber(words.options.limit or DEFAULT_LIMIT) or 0.5)
    if not limit or limit < 1 then return problem.fail("usage", "--limit is a number of rows, 1 or more") end
    local host, closed = ctx:host { create = false }
    if not host then return nil, closed end
    local names, made = tables(host)
    if not words[1] then return overview(ctx, host, names) end
    if not made[words[1]] then
      return problem.fail("not_found", ("the data model has no entity `%s`"):format(words[1]),
        { hint = suggest.hint(words[1], names) or "symphony data   lists them" })
    end
    return show(ctx, host, words[1], made, { where = words.options.where, limit = limit })
  end,
}
