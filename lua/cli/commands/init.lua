--- init: makes .symphony/ and a starter melody; safe to repeat.
local args = require "cli.args"
local exit = require "cli.exit"
local paths = require "kit.paths"
local problem = require "kit.problem"
local project = require "kit.project"
local trust = require "kit.trust"

--- The bundled hello is the starter: what a new project begins with is what runs anywhere.
local function starter()
  return require("sy.core").embedded("lua/melodies/hello.lua")[1].data
end

local function make_starter(place)
  local dir = paths.join(place.dir, "melodies")
  local file = paths.join(dir, "hello.lua")
  if paths.stat(file, false) then return false end
  local ok, message, code = paths.make(dir)
  if ok then ok, message, code = paths.write(file, starter()) end
  if not ok then return problem.fail(code, message) end
  return true
end

local function tell(ctx, place, made, trusted, had)
  if ctx.json then
    ctx:document { project = place.dir, state = place.state_dir, made = made, trusted = trusted }
    return
  end
  ctx:say(("%s is ready"):format(place.dir))
  if made then ctx:say("melodies/hello.lua is a first melody") end
  if not trusted then
    ctx:say(("%s was here before: its code does not run until you say   symphony trust"):format(had))
    return
  end
  ctx:say("symphony run hello   runs it")
end

return {
  name = "init",
  summary = "make .symphony/ and a starter melody; safe to repeat",
  usage = "init",
  options = {},
  example = "symphony init && symphony run hello",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "init")
    if not ok then return nil, why end
    local place, bad = project.find(ctx.options.project or ".")
    if not place then return nil, bad end
    ctx.place_found = place
    local had = project.had(place.dir)
    local host, failed = ctx:host()
    if not host then return nil, failed end
    local made, unwritten = make_starter(place)
    if made == nil then return nil, unwritten end
    if not had then
      ok, why = trust.grant(place.dir)
      if ok == nil then return nil, why end
    end
    tell(ctx, place, made, trust.trusted(place.dir), had)
    return exit.DONE
  end,
}
