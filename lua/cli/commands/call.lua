--- call: one operation, with the permissions and schema checks it always has.
local args = require "cli.args"
local document = require "cli.output.document"
local exit = require "cli.exit"
local extension_error = require "cli.extension_error"
local follow = require "cli.follow"
local install = require "kit.install"
local json = require "sy.json"
local params = require "cli.params"
local problem = require "kit.problem"
local registry = require "kit.registry"
local select = require "cli.select"

local USAGE = "call EXT.OP [JSON | -p key=value...]"

local function input_of(words, declared)
  if not words[2] then return params.input(words.options, declared.input) end
  if words.options.param or words.options.params then
    return problem.fail("usage", "the input is given twice: as JSON and with -p", { hint = "symphony " .. USAGE })
  end
  local value, failure = json.decode(words[2])
  if value == nil then
    return problem.fail("usage", "the input is not JSON: " .. tostring(failure),
      { hint = [[symphony call file.read '{"path":"README.md"}']] })
  end
  return value
end

local function show(ctx, output)
  if ctx.json then
    ctx:document(output)
  elseif type(output) == "string" then
    ctx:print(output)
  else
    ctx:print(json.encode(output, { pretty = true }))
  end
end

--- A run of one task, followed to its end.
local function one_task(ctx, host, operation, extension, input)
  local key = operation:match("([^%.]+)$")
  local run, failure, code = host:start {
    definition = json.encode {
      format = 1,
      name = "call",
      tasks = json.array { { key = key, verb = "task", operation = operation, extension = extension,
        input = { ["$literal"] = input } } },
      outputs = { [key] = { ["$ref"] = json.array { key } } },
    },
    durability = ctx:setting "run.durability",
    mode = "manual",
    options = { operation = operation },
    params = {},
  }
  if not run then return nil, problem.from(failure, code) end
  local _, state = follow.wait(host, run, nil, function(said) ctx:note(said) end)
  local row, why = select.run(host, run.run)
  local lost = row and follow.unwritten(state, row)
  if lost then return nil, lost end
  return row, why
end

local function conclude(ctx, host, row)
  if row.status ~= "completed" then
    local failure, extension = follow.failure(document.run(host, row))
    if failure then return nil, extension_error.fill(ctx, failure, extension) end
    return document.exit_code(row.status, false)
  end
  local _, output = next(document.outputs(host, row))
  show(ctx, ctx.json and document.shown(host, output) or output)
  return exit.DONE
end

return {
  name = "call",
  summary = "run one operation",
  usage = USAGE,
  options = {
    { name = "param", short = "p", argument = "KEY=VALUE", repeated = true,
      doc = "a field of the input, read by its declared type" },
    { name = "params", argument = "FILE", doc = "the input as a JSON object" },
  },
  example = "symphony call file.read -p path=README.md",
  one_task = one_task,
  conclude = conclude,
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 2, USAGE)
    if not ok then return nil, why end
    local found = registry.new(ctx:place())
    local operation, missing = found:operation(words[1])
    if not operation then return nil, missing end
    local input, bad = input_of(words, operation.declared)
    if input == nil then return nil, bad end
    local host, closed = ctx:host()
    if not host then return nil, closed end
    local installed, refused = install.entries(host, { operation.extension })
    if not installed then return nil, refused end
    local row, failed = one_task(ctx, host, words[1], operation.extension.name, input)
    if not row then return nil, failed end
    return conclude(ctx, host, row)
  end,
}
