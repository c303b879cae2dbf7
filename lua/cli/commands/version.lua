--- version: of the program and what it was built with.
local args = require "cli.args"
local exit = require "cli.exit"
local system = require "sy.system"

return {
  name = "version",
  summary = "the version of this program",
  usage = "version",
  options = {},
  example = "symphony version",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "version")
    if not ok then return nil, why end
    if ctx.json then
      ctx:document { version = system.version, lua = system.lua_release }
    else
      ctx:print("symphony " .. system.version)
    end
    return exit.DONE
  end,
}
