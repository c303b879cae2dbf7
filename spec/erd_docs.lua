--- docs/data-model.md out of the lines of spec/erd.lua and the schema's own comments.
local M = {}

local INTRO = [[
# The data model

This page is generated from `spec/erd.lua`, whose every line is run by `spec/erd_spec.lua`, and from the comments of
`core/db/migrations/`.

A project's data is `.symphony/symphony.db`, a SQLite database; reading it is a public interface. `symphony data` lists
the entities, `symphony data ENTITY --json` shows rows with their JSON columns as values. Writing is the program's: a
run of it holds a lock that says who owns what.

Tables are `STRICT`; ids are UUIDv7 texts, so that they sort by time; datetimes are ISO 8601 UTC with milliseconds;
lists of words that end in '…' are open. Money is US dollars, time milliseconds, sizes bytes.

"Changes with" is what a person does; the specs do just that and look before and after.
]]

local function escape(text)
  return (text:gsub("|", "\\|"):gsub("\n", " "))
end

--- What a scene's action is in words of the command line.
local ACTIONS = {
  opened = "`symphony init`, the first opening",
  named = "`git config user.name`, `user.email`; read at the next opening",
  set = "`symphony config set`",
  ran = "`symphony run`",
  edited = "editing the melody or extension, then `symphony run`",
  held = "`symphony run`, while it runs",
  killed = "a run that is cut off and waits after `symphony resume`",
  verified = "`symphony artifact verify`",
  collected = "`symphony artifact gc`",
  broken = "a mistake in its code, then `symphony run`",
  rested = "`symphony ext pause`",
  instrument = "`symphony call` of an instrument",
  motif = "`symphony call` of a motif",
}

local function command(line)
  return ("`symphony %s`"):format(line.command == "artifact show" and "artifact show ARTIFACT" or line.command)
end

local function add_entity(lines, erd, entity)
  lines[#lines + 1] = ("### `%s`"):format(entity[1])
  lines[#lines + 1] = ""
  lines[#lines + 1] = entity[2]
  lines[#lines + 1] = ""
  lines[#lines + 1] = "| attribute | meaning | changes with | shown by |"
  lines[#lines + 1] = "|---|---|---|---|"
  for _, line in ipairs(erd.lines) do
    local name = line.entity .. "." .. line.attribute
    if line.entity == entity[1] then
      local later = erd.later_values[name]
      local when = line.scene and ACTIONS[line.scene] or "comes with *" .. erd.later[name] .. "*"
      if later then when = ("%s; `%s` comes with *%s*"):format(when, later.value, later.issue) end
      lines[#lines + 1] = ("| `%s` | %s | %s | %s |"):format(line.attribute, escape(line.meaning), when,
        line.scene and command(line) or "")
    end
  end
  lines[#lines + 1] = ""
end

--- The tables of all migrations' SQL: { name, about, columns = { { name, type, about } } }. One that is made anew
--- stands where it stood, in its last form.
---@param sql string
---@return table[]
function M.tables(sql)
  local list, places, one, about = {}, {}, nil, {}
  for text in sql:gmatch("[^\n]*") do
    local name = text:match("^CREATE TABLE ([%w_]+) %($")
    local comment = text:match("^%-%- (.*)$")
    local column, kind = text:match("^    ([a-z][%w_]*) ([A-Z]+)")
    if name then
      one = { name = name, about = table.concat(about, " "), columns = {} }
      places[name] = places[name] or #list + 1
      list[places[name]] = one
    elseif one and column then
      table.insert(one.columns, { name = column, type = kind, about = text:match("%-%- (.*)$") or "" })
    elseif text:match("^%)") then
      one = nil
    end
    if comment and not comment:match("^%-%-%-%-") then
      about[#about + 1] = comment
    else
      about = {}
    end
  end
  return list
end

local function columns_beside(made, erd)
  local attributes, list = {}, {}
  for _, line in ipairs(erd.lines) do
    if line.entity == made.name then attributes[line.attribute] = true end
  end
  for _, column in ipairs(made.columns) do
    if not attributes[column.name] then list[#list + 1] = column end
  end
  return list
end

local function add_columns(lines, made, erd)
  local list = columns_beside(made, erd)
  if #list == 0 then return end
  lines[#lines + 1] = ("### `%s`"):format(made.name)
  lines[#lines + 1] = ""
  if made.about ~= "" then
    lines[#lines + 1] = made.about
    lines[#lines + 1] = ""
  end
  lines[#lines + 1] = "| column | type | meaning |"
  lines[#lines + 1] = "|---|---|---|"
  for _, column in ipairs(list) do
    lines[#lines + 1] = ("| `%s` | %s | %s |"):format(column.name, column.type, escape(column.about))
  end
  lines[#lines + 1] = ""
end

--- The page.
---@param erd table spec/erd.lua
---@param sql string all migrations, in order
---@return string
function M.text(erd, sql)
  local lines = { INTRO, "## Entities", "" }
  for _, entity in ipairs(erd.entities) do add_entity(lines, erd, entity) end
  lines[#lines + 1] = "## Further tables and columns"
  lines[#lines + 1] = ""
  for _, made in ipairs(M.tables(sql)) do add_columns(lines, made, erd) end
  return (table.concat(lines, "\n"):gsub("\n+$", "\n"))
end

--- Scenes that the page has words for.
M.actions = ACTIONS

return M
