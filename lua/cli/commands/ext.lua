--- ext: the extensions there are, what they offer and what they may do. Each subcommand is a file of cli/ext.
local subcommands = {}
for i, name in ipairs(require "cli.ext.list") do subcommands[i] = require("cli.ext." .. name) end

return {
  name = "ext",
  summary = "extensions: what there is, what they offer, what they may do",
  usage = "ext " .. table.concat(require "cli.ext.list", "|"),
  example = "symphony ext show git.diff",
  subcommands = subcommands,
}
