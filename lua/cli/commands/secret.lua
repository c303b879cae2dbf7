--- secret: values that extensions use by name: kept, listed and removed, never shown.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local null = require "kit.null"
local problem = require "kit.problem"
local secrets = require "kit.secrets"
local text = require "cli.output.text"

local SET = "secret set NAME [--stdin | --file FILE] [--in keyring|file]"

local PLACES = { keyring = "the desktop's keyring", file = "a file only you may read" }

--- Where the value is read from: never from the arguments, which other processes see.
local function source(ctx, options, name)
  if options.stdin and options.file then return problem.fail("usage", "--stdin and --file are two sources") end
  if options.file then return { path = options.file } end
  if options.stdin or not ctx.terminal.stdin then return { fd = 0 } end
  return { fd = 0, line = true, prompt = ("Value of %s (it is not shown): "):format(name) }
end

local function set(ctx, words)
  local ok, why = args.count(words, 1, 1, SET)
  if not ok then return nil, why end
  local from, bad = source(ctx, words.options, words[1])
  if not from then return nil, bad end
  local kept, failure = secrets.set(words[1], from, words.options["in"])
  if not kept then return nil, failure end
  if ctx.json then
    ctx:document { name = kept.name, place = kept.place, set_at = kept.set_at, because = null.of(kept.because) }
    return exit.DONE
  end
  ctx:say(("%s is kept in %s%s"):format(kept.name, PLACES[kept.place],
    kept.because and (": %s"):format(kept.because) or ""))
  return exit.DONE
end

local function row(one)
  local where = one.problem and one.problem.message or one.set and PLACES[one.place] or "not set"
  return { one.name, where, one.set_at or "",
    #one.extensions > 0 and table.concat(one.extensions, ", ") or "no extension asks for it" }
end

local function ls(ctx, words)
  local ok, why = args.count(words, 0, 0, "secret ls")
  if not ok then return nil, why end
  local list, rows = json.array {}, {}
  for i, one in ipairs(secrets.list(ctx:place())) do
    list[i] = { name = one.name, set = one.set, place = null.of(one.place), set_at = null.of(one.set_at),
      problem = null.of(one.problem and one.problem.message), extensions = one.extensions }
    rows[i] = row(one)
  end
  if ctx.json then
    ctx:document { secrets = list }
    return exit.DONE
  end
  if #rows == 0 then ctx:say "no secrets   symphony secret set NAME" end
  for _, line in ipairs(text.table(rows)) do ctx:print(line) end
  return exit.DONE
end

local function rm(ctx, words)
  local ok, why = args.count(words, 1, 1, "secret rm NAME")
  if not ok then return nil, why end
  local gone, bad = secrets.remove(words[1])
  if not gone then return nil, bad end
  if ctx.json then
    ctx:document { name = words[1], removed = true }
  else
    ctx:say(words[1] .. " is forgotten")
  end
  return exit.DONE
end

return {
  name = "secret",
  summary = "values that extensions use by name and nothing shows",
  usage = "secret set|ls|rm",
  example = "symphony secret set openai",
  subcommands = {
    {
      name = "set",
      summary = "keep a value: typed without being shown, or read from stdin or a file",
      usage = SET,
      options = {
        { name = "stdin", doc = "the value is all of stdin; a last newline is no part of it" },
        { name = "file", argument = "FILE", doc = "the value is all of a file; a last newline is no part of it" },
        { name = "in", argument = "PLACE", choices = { "keyring", "file" },
          doc = "keyring or file; by default the keyring where one is open" },
      },
      example = "symphony secret set openai",
      run = set,
    },
    {
      name = "ls",
      summary = "names, where they are kept, since when, and which extensions ask for them",
      usage = "secret ls",
      options = {},
      example = "symphony secret ls",
      run = ls,
    },
    {
      name = "rm",
      summary = "forget a value",
      usage = "secret rm NAME",
      options = {},
      example = "symphony secret rm openai",
      run = rm,
    },
  },
}
