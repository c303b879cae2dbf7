--- ext install: a package with what it depends on; without a source, what the project's own extensions depend on.
local acquire = require "kit.package.acquire"
local args = require "cli.args"
local change = require "kit.package.change"
local changed = require "cli.ext.changed"
local lock = require "kit.package.lock"
local problem = require "kit.problem"
local project = require "kit.package.project"

local USAGE = "ext install [SOURCE] [--from FOLDER]... [--key KEY] [--upgrade] [--yes]"

local function for_project(ctx, options)
  local place = ctx:place()
  local changes, why = project.install(ctx, place,
    { folders = options.from or {}, key = options.key, upgrade = options.upgrade })
  if not changes then return nil, why end
  return changed.finish(ctx, changes, { lock = lock.path(place) })
end

local function install(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local options = words.options
  if not words[1] then return for_project(ctx, options) end
  if options.upgrade then return problem.fail("usage", "--upgrade is for what a project depends on, without SOURCE") end
  local got, bad = acquire.read(words[1], { key = options.key })
  if not got then return nil, bad end
  local changes, failure = change.install(ctx, got, options.from or {}, options.key)
  if not changes then return nil, failure end
  return changed.finish(ctx, changes,
    { nothing = ("%s %s is installed already"):format(got.content.name, got.content.version) })
end

return {
  name = "install",
  summary = "an extension from a folder, a Git repository or a .sympkg file; or what the project's own depend on",
  usage = USAGE,
  options = { changed.FROM, changed.KEY,
    { name = "upgrade", doc = "without SOURCE: choose the newest versions and write symphony.lock anew" },
    changed.YES },
  example = "symphony ext install ./acme-textkit-1.2.0.sympkg",
  run = install,
}
