--- ext new: a small extension that passes its check and its tests at once.
local args = require "cli.args"
local create = require "kit.author.create"
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"

local USAGE = "ext new NAME [--type operator|instrument|motif] [--dir DIR]"

--- Where it goes: as typed, else extensions/NAME of the project, as seen from here.
local function folder(ctx, name, typed)
  if typed then return typed end
  local base = ctx:place().dir
  local dir = paths.join(base, "extensions", name:match "[^/]+$" or name)
  local here = paths.cwd()
  return paths.within(dir, here) and paths.relative(dir, here) or dir
end

local function run(ctx, words)
  local ok, why = args.count(words, 1, 1, USAGE)
  if not ok then return nil, why end
  local name, kind = words[1], words.options.type or "operator"
  local dir = folder(ctx, name, words.options.dir)
  local files, failed = create.make(name, kind, dir)
  if not files then return nil, failed end
  if ctx.json then
    ctx:document { name = name, type = kind, dir = dir, files = json.array(files) }
    return exit.DONE
  end
  ctx:say(("%s: a new %s in %s"):format(name, kind, dir))
  for _, file in ipairs(files) do ctx:say("  " .. file) end
  ctx:say(("symphony ext test %s   runs its tests"):format(dir))
  return exit.DONE
end

return {
  name = "new",
  summary = "a new extension that passes its check and its tests at once",
  usage = USAGE,
  options = {
    { name = "type", argument = "TYPE", choices = create.TYPES, doc = "operator (default), instrument or motif" },
    { name = "dir", argument = "DIR", doc = "the folder to make; extensions/NAME of the project otherwise" },
  },
  example = "symphony ext new acme/words --type operator",
  run = run,
}
