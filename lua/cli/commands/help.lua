--- help: the commands, one command, or an error code.
local args = require "cli.args"
local help = require "cli.help"

return {
  name = "help",
  summary = "the commands, one command, or what an error code means",
  usage = "help [COMMAND | ERROR-CODE]",
  options = {},
  example = "symphony help unknown_field",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 2, "help [COMMAND | ERROR-CODE]")
    if not ok then return nil, why end
    if not words[1] then return help.overview(ctx) end
    return help.topic(ctx, words[1], words[2])
  end,
}
