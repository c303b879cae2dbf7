--- ext remove: an installed package, with what only it needed.
local args = require "cli.args"
local changed = require "cli.ext.changed"
local remove = require "kit.package.remove"

return {
  name = "remove",
  summary = "an installed extension; runs that used it stay readable",
  usage = "ext remove NAME [--force]",
  options = { { name = "force", doc = "also when others need it; they will not run then" } },
  example = "symphony ext remove acme/textkit",
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 1, "ext remove NAME [--force]")
    if not ok then return nil, why end
    local changes, failure = remove.package(words[1], words.options.force == true)
    if not changes then return nil, failure end
    return changed.finish(ctx, changes)
  end,
}
