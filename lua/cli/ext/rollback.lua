--- ext rollback: the version before.
local args = require "cli.args"
local change = require "kit.package.change"
local changed = require "cli.ext.changed"

local function rollback(ctx, words)
  local ok, why = args.count(words, 1, 1, "ext rollback NAME [--yes]")
  if not ok then return nil, why end
  local changes, failure = change.rollback(ctx, words[1])
  if not changes then return nil, failure end
  return changed.finish(ctx, changes)
end

return {
  name = "rollback",
  summary = "an installed extension as it was before its last update",
  usage = "ext rollback NAME [--yes]",
  options = { changed.YES },
  example = "symphony ext rollback acme/textkit",
  run = rollback,
}
