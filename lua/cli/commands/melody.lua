--- melody: list, check, show and draw melodies; nothing runs.
local args = require "cli.args"
local check = require "melody.check"
local definition_of = require "melody.definition"
local draw = require "melody.draw"
local exit = require "cli.exit"
local json = require "sy.json"
local melodies = require "kit.melodies"
local problem = require "kit.problem"
local runner = require "kit.runner"
local text = require "cli.output.text"

local function ls(ctx, words)
  local ok, why = args.count(words, 0, 0, "melody ls")
  if not ok then return nil, why end
  local place, list, rows = ctx:place(), json.array {}, {}
  for i, melody in ipairs(melodies.list(place)) do
    local runs = melody.origin ~= "project" or place.trusted
    list[i] = { name = melody.name, origin = melody.origin, path = melody.path or json.null, trusted = runs }
    rows[i] = { melody.name, melody.origin, runs and "" or "not trusted" }
  end
  if ctx.json then
    ctx:document { melodies = list }
    return exit.DONE
  end
  for _, line in ipairs(text.table(rows)) do ctx:print(line) end
  return exit.DONE
end

local function prepared(ctx, words, usage)
  local ok, why = args.count(words, 1, 1, usage)
  if not ok then return nil, why end
  return runner.prepare(ctx:place(), words[1], { reading = true })
end

--- "git.diff is git 0.1.0, bundled": which extension each name means.
local function choices(found)
  local lines = {}
  for _, name in ipairs(runner.extensions(found.definition)) do
    local entry = found.registry:extension(name)
    if entry then lines[#lines + 1] = { name, entry.manifest.extension.version, entry.origin } end
  end
  return lines
end

local function check_one(ctx, words)
  local found, why = prepared(ctx, words, "melody check MELODY")
  if not found then return nil, why end
  local name = found.definition and found.definition.name or found.melody.name
  if ctx.json then
    ctx:document(check.document(name, found.problems))
  else
    ctx:complain_all(found.problems)
    if found.ok then
      local count = #found.definition.tasks
      ctx:say(("%s is fine: %d task%s"):format(name, count, count == 1 and "" or "s"))
      for _, line in ipairs(text.table(choices(found), { indent = "  " })) do ctx:say(line) end
    end
  end
  return found.ok and exit.DONE or exit.USAGE
end

--- A checked definition, or its first problem.
local function definition(ctx, words, usage)
  local found, why = prepared(ctx, words, usage)
  if not found then return nil, why end
  if not found.definition then return nil, found.problems[1] end
  return found
end

local function value_text(value)
  if value == nil or value == json.null then return "" end
  return type(value) == "string" and value or json.encode(value)
end

local function listed(ctx, title, rows)
  if #rows == 0 then return end
  ctx:print(title)
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:print(line) end
end

--- What it gives, what it starts on, and the melodies it calls.
local function show_more(ctx, made)
  local outputs, starts, subs = {}, {}, {}
  for name in pairs(made.outputs or {}) do outputs[#outputs + 1] = { name } end
  for i, trigger in ipairs(made.triggers or {}) do starts[i] = { trigger.on, trigger.spec } end
  for name, sub in pairs(made.melodies or {}) do subs[#subs + 1] = { name, sub.source or "", sub.doc or "" } end
  local function by_name(a, b) return a[1] < b[1] end
  table.sort(outputs, by_name)
  table.sort(subs, by_name)
  listed(ctx, "Outputs", outputs)
  listed(ctx, "Starts on", starts)
  listed(ctx, "Melodies it calls", subs)
end

local function show(ctx, words)
  local found, why = definition(ctx, words, "melody show MELODY")
  if not found then return nil, why end
  local made = found.definition
  if ctx.json then
    io.stdout:write(definition_of.encode(made), "\n")
    ctx.documented = true
    return exit.DONE
  end
  ctx:print((("%s  %s"):format(ctx.style:paint("bold", made.name), made.doc or ""):gsub("%s+$", "")))
  ctx:print(("from %s (%s), %s"):format(found.melody.file, found.melody.origin, definition_of.hash(made):sub(1, 19)))
  local params, names = {}, {}
  for name in pairs(made.params or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local param = made.params[name]
    params[i] = { name, tostring(param.type), value_text(param.default), param.doc or "" }
  end
  listed(ctx, "Parameters", params)
  ctx:print("Tasks")
  local tasks = {}
  for i, task in ipairs(made.tasks) do tasks[i] = { task.key, task.verb, task.operation or task.melody or "" } end
  for _, line in ipairs(text.table(tasks, { indent = "  " })) do ctx:print(line) end
  show_more(ctx, made)
  return exit.DONE
end

local function graph(ctx, words)
  local found, why = definition(ctx, words, "melody graph MELODY [--format ascii|dot|mermaid]")
  if not found then return nil, why end
  local format = words.options.format
  local drawn, message, code = draw.draw(found.definition, format, { utf8 = ctx.style.utf8 })
  if not drawn then return nil, problem.from(message, code) end
  if ctx.json then
    ctx:document { melody = found.definition.name, format = format, graph = drawn }
  else
    ctx:print((drawn:gsub("\n$", "")))
  end
  return exit.DONE
end

return {
  name = "melody",
  summary = "list, check, show, draw and test melodies",
  usage = "melody ls|check|show|graph|test",
  example = "symphony melody check melodies/hello.lua",
  subcommands = {
    { name = "ls", summary = "the melodies there are and where they come from", usage = "melody ls", options = {},
      example = "symphony melody ls", run = ls },
    { name = "check", summary = "look for mistakes without running it", usage = "melody check MELODY", options = {},
      example = "symphony melody check melodies/hello.lua", run = check_one },
    { name = "show", summary = "its parameters and tasks; with --json its definition", usage = "melody show MELODY",
      options = {},
      example = "symphony melody show review --json", run = show },
    { name = "graph", summary = "draw what waits for what", usage = "melody graph MELODY [--format ascii|dot|mermaid]",
      options = { { name = "format", argument = "FORMAT", choices = draw.formats, default = "ascii",
        doc = "ascii, dot or mermaid" } },
      example = "symphony melody graph review --format mermaid", run = graph },
    (require "cli.testing.command"),
  },
}
