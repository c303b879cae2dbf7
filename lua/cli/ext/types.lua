--- ext types: stubs of the library and of ctx, for editors with the Lua language server.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local types = require "kit.author.types"

local USAGE = "ext types [FOLDER]"

local function run(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local dir, failed = types.write()
  if not dir then return nil, failed end
  local luarc = nil
  if words[1] then
    if paths.kind(words[1]) ~= "directory" then
      return problem.fail("not_found", ("there is no folder %s"):format(words[1]))
    end
    luarc = paths.join(words[1], ".luarc.json")
    if paths.stat(luarc, false) then
      return problem.fail("usage", ("%s is there already"):format(luarc),
        { hint = ("add %s to its workspace.library"):format(dir) })
    end
    local written, message = paths.write(luarc, types.luarc())
    if not written then return problem.fail("io_error", message) end
  end
  if ctx.json then
    ctx:document { dir = dir, luarc = luarc or json.null }
  else
    ctx:say("the stubs are in " .. dir)
    if luarc then ctx:say(luarc .. " points there") end
  end
  return exit.DONE
end

return {
  name = "types",
  summary = "what the library and ctx offer, as stubs for editors",
  usage = USAGE,
  options = {},
  example = "symphony ext types extensions/mine",
  run = run,
}
