--- ext update: installed packages, out of where they came from.
local acquire = require "kit.package.acquire"
local args = require "cli.args"
local change = require "kit.package.change"
local changed = require "cli.ext.changed"

local USAGE = "ext update [NAME] [--from FOLDER]... [--key KEY] [--yes]"

local function update(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local changes, failure = change.update(ctx, words[1], {
    folders = words.options.from or {},
    key = words.options.key,
    acquire = acquire.read,
  })
  if not changes then return nil, failure end
  local done, bad = changed.finish(ctx, changes, { nothing = failure == nil and "all is up to date" or nil })
  if failure then
    ctx:complain(failure)
    return 1
  end
  return done, bad
end

return {
  name = "update",
  summary = "installed extensions, out of where they came from; what they may is asked again where it changed",
  usage = USAGE,
  options = { changed.FROM, changed.KEY, changed.YES },
  example = "symphony ext update acme/textkit",
  run = update,
}
