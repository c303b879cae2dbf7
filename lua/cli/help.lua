--- What help prints: the commands, a command, an error code.
local args = require "cli.args"
local command = require "cli.command"
local error_help = require "cli.error_help"
local exit = require "cli.exit"
local json = require "sy.json"
local problem = require "kit.problem"
local suggest = require "kit.suggest"
local text = require "cli.output.text"

local M = {}

local MOST_COLUMNS = 100

local function option_label(option)
  local label = "--" .. option.name .. (option.argument and " " .. option.argument or "")
  return option.short and ("-%s, %s"):format(option.short, label) or label
end

local function option_rows(options)
  local rows = {}
  for i, option in ipairs(options or {}) do
    local default = option.default and option.default ~= "" and (" (%s)"):format(option.default) or ""
    rows[i] = { option_label(option), option.doc .. default }
  end
  return rows
end

--- Prints two columns, the second wrapped.
---@param ctx Context
---@param rows string[][]
function M.rows(ctx, rows)
  local left = 0
  for _, row in ipairs(rows) do left = math.max(left, text.width(row[1])) end
  local room = math.max(24, math.min(ctx.style.columns, MOST_COLUMNS) - left - 4)
  for _, row in ipairs(rows) do
    for i, line in ipairs(text.wrap(row[2], room)) do
      ctx:print((("  %s  %s"):format(text.pad(i == 1 and row[1] or "", left), line):gsub("%s+$", "")))
    end
  end
end

local function entry_document(entry, name)
  local options, subcommands = json.array {}, json.array {}
  for i, option in ipairs(entry.options or {}) do
    options[i] = { name = option.name, short = option.short or json.null, argument = option.argument or json.null,
      doc = option.doc, default = option.default or json.null }
  end
  for i, sub in ipairs(entry.subcommands or {}) do subcommands[i] = entry_document(sub, name .. " " .. sub.name) end
  return { name = name, summary = entry.summary, usage = entry.usage, example = entry.example, options = options,
    subcommands = subcommands }
end

--- The commands, a line each.
---@param ctx Context
---@return integer
function M.overview(ctx)
  local list, rows = json.array {}, {}
  for i, entry in ipairs(command.all()) do
    list[i] = entry_document(entry, entry.name)
    rows[i] = { entry.name, entry.summary }
  end
  if ctx.json then
    ctx:document { commands = list }
    return exit.DONE
  end
  ctx:print("symphony runs melodies: tasks of extensions, in the right order, losing nothing")
  ctx:print("")
  M.rows(ctx, rows)
  ctx:print("")
  ctx:print("With every command:")
  M.rows(ctx, option_rows(args.GLOBAL))
  ctx:print("")
  ctx:print("symphony run review        a first run, in any Git repository")
  ctx:print("symphony help COMMAND      or an error code, such as unknown_field")
  return exit.DONE
end

--- The options that every command takes, in a line or two; `symphony help` says what they do.
local function with_every_command(ctx)
  local words = {}
  for _, option in ipairs(args.GLOBAL) do
    local value = option.choices and table.concat(option.choices, "|") or option.argument
    if option.name ~= "help" then words[#words + 1] = "--" .. option.name .. (value and "\1" .. value or "") end
  end
  local room = math.min(ctx.style.columns, MOST_COLUMNS)
  local lines = text.wrap("With\1every\1command: " .. table.concat(words, ", "), room)
  for _, line in ipairs(lines) do ctx:print((line:gsub("\1", " "))) end
end

--- One command, with its options and an example.
---@param ctx Context
---@param entry table
---@param name string
---@return integer
function M.command(ctx, entry, name)
  if ctx.json then
    ctx:document(entry_document(entry, name))
    return exit.DONE
  end
  for i, line in ipairs(text.wrap("symphony " .. entry.usage, math.min(ctx.style.columns, MOST_COLUMNS) - 4)) do
    ctx:print((i > 1 and "    " or "") .. line)
  end
  ctx:print("  " .. entry.summary)
  if entry.subcommands then
    local rows = {}
    for i, sub in ipairs(entry.subcommands) do rows[i] = { sub.usage, sub.summary } end
    ctx:print("")
    M.rows(ctx, rows)
  end
  if #(entry.options or {}) > 0 then
    ctx:print("")
    M.rows(ctx, option_rows(entry.options))
  end
  ctx:print("")
  ctx:print("Example: " .. entry.example)
  with_every_command(ctx)
  return exit.DONE
end

local function explain(ctx, entry)
  if ctx.json then
    ctx:document { code = entry.code, exit = entry.exit, meaning = entry.meaning, action = entry.action,
      example = entry.example }
    return exit.DONE
  end
  ctx:print(("%s: %s"):format(entry.code, entry.meaning))
  ctx:print("")
  for line in entry.example:gmatch("[^\n]+") do ctx:print("  " .. line) end
  ctx:print("")
  local room = math.min(ctx.style.columns, MOST_COLUMNS)
  local action = text.width(entry.action) <= room and { entry.action } or text.wrap(entry.action, room)
  for _, line in ipairs(action) do ctx:print(line) end
  ctx:print(("Exit code %d"):format(entry.exit))
  return exit.DONE
end

--- Help about a command or an error code.
---@param ctx Context
---@param name string
---@param sub? string
---@return integer?, Problem?
function M.topic(ctx, name, sub)
  local names = {}
  for _, entry in ipairs(error_help) do
    if entry.code == name and not sub then return explain(ctx, entry) end
    names[#names + 1] = entry.code
  end
  local entry = command.find(name)
  if entry and sub then
    local found, why = command.sub(entry, sub)
    if not found then return nil, why end
    return M.command(ctx, found, name .. " " .. sub)
  end
  if entry then return M.command(ctx, entry, name) end
  table.move(require "cli.command_list", 1, #require "cli.command_list", #names + 1, names)
  return problem.fail("not_found", ("there is no command and no error code `%s`"):format(name),
    { hint = suggest.hint(name, names) or "symphony help   lists the commands" })
end

return M
