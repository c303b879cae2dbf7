--- version: of the program and what it was built with.
local args = require "cli.args"
local exit = require "cli.exit"

return {
  name = "version",
  summary = "the version of this program",
  usage = "version",
  options = {},
  example = "symphony version",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "version")
    if not ok then return nil, why end
    local version = require("sy.core").version()
    if ctx.json then
      ctx:document { version = version, lua = require("sy.system").lua_release }
    else
      ctx:print("symphony " .. version)
    end
    return exit.DONE
  end,
}
