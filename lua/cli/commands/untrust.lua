--- untrust: no longer let this project's own code run.
local args = require "cli.args"
local exit = require "cli.exit"
local trust = require "kit.trust"

return {
  name = "untrust",
  summary = "no longer let this project's own code run",
  usage = "untrust",
  options = {},
  example = "symphony untrust --project ~/src/project",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "untrust")
    if not ok then return nil, why end
    local dir = ctx:place().dir
    local changed, bad = trust.revoke(dir)
    if changed == nil then return nil, bad end
    if ctx.json then
      ctx:document { project = dir, trusted = trust.trusted(dir), changed = changed }
    else
      ctx:say(("%s %s"):format(dir, changed and "is no longer trusted" or "was not trusted"))
    end
    return exit.DONE
  end,
}
