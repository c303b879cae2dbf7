--- The command line: words in, an exit code out.
local args = require "cli.args"
local command = require "cli.command"
local context = require "cli.context"
local exit = require "cli.exit"
local help = require "cli.help"
local problem = require "kit.problem"

local M = {}

local function without(words, at)
  local rest = {}
  for i, word in ipairs(words) do
    if i ~= at then rest[#rest + 1] = word end
  end
  return rest
end

--- What was typed as entry, its words and its full name.
local function choose(words)
  local at = args.command_at(words)
  if not at then return nil, words, nil end
  local entry, why = command.find(words[at])
  if not entry then return nil, nil, why end
  local rest = without(words, at)
  if not entry.subcommands then return entry, rest, entry.name end
  local sub_at = args.command_at(rest)
  local asks_help = false
  for _, word in ipairs(rest) do asks_help = asks_help or word == "--help" or word == "-h" end
  if not sub_at and asks_help then return entry, rest, entry.name end
  local sub, bad = command.sub(entry, sub_at and rest[sub_at])
  if not sub then return nil, nil, bad end
  return sub, without(rest, sub_at), entry.name .. " " .. sub.name
end

--- `about` gets the name of the command, for who has to say what to type.
local function perform(words, ctx, about)
  local entry, rest, name = choose(words)
  if not rest then return nil, name end
  about.name = name
  local parsed, why = args.parse(rest, entry and entry.options)
  if not parsed then return nil, why end
  ctx:configure(parsed.options)
  if not entry then
    if #words == 0 or parsed.options.help then return help.overview(ctx) end
    return problem.fail("usage", "a command is missing", { hint = "symphony help   lists the commands" })
  end
  if parsed.options.help then return help.command(ctx, entry, name) end
  return entry.run(ctx, parsed)
end

local function trace(failure)
  if type(failure) == "table" and failure.code then return failure end
  return problem.new("internal", debug.traceback(tostring(failure), 2))
end

--- Runs a command.
---@param argv string[] the words after the program's name
---@return integer exit code
function M.main(argv)
  local words = {}
  for i = 1, #argv do words[i] = argv[i] end
  local about = {}
  local ctx = context.new { json = args.wants_json(words) }
  local ok, code, why = xpcall(perform, trace, words, ctx, about)
  if not ok then code, why = nil, code end
  if code == nil then
    why = problem.from(why)
    if why.code == "usage" and not why.hint and about.name then
      why.hint = ("symphony %s --help   says what it takes"):format(about.name)
    end
    ctx:complain(why)
    code = exit.of(why.code)
  end
  ctx:close()
  return code
end

return M
