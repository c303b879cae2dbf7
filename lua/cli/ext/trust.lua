--- ext trust: an installed extension may run within our process, or no longer.
local args = require "cli.args"
local change = require "kit.package.change"
local exit = require "cli.exit"
local isolation = require "kit.isolation"

local USAGE = "ext trust NAME [--revoke]"

return {
  name = "trust",
  summary = "let an installed extension run in process, which is faster and no wall against hostile code",
  usage = USAGE,
  options = { { name = "revoke", doc = "in a process of its own again" } },
  example = "symphony ext trust acme/textkit",
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 1, USAGE)
    if not ok then return nil, why end
    local package, bad = change.trust(words[1], not words.options.revoke)
    if not package then return nil, bad end
    local where, reason = isolation.of { origin = "installed", package = package }
    if ctx.json then
      ctx:document { name = words[1], trusted = package.trusted, isolation = where, reason = reason }
    else
      local how = where == "process" and "in a process of its own" or "in process"
      ctx:say(("%s runs %s: %s"):format(words[1], how, reason))
    end
    return exit.DONE
  end,
}
