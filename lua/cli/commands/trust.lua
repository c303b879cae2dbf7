--- trust: let melodies and extensions of this project run.
local args = require "cli.args"
local exit = require "cli.exit"
local trust = require "kit.trust"

return {
  name = "trust",
  summary = "let melodies and extensions of this project run",
  usage = "trust",
  options = {},
  example = "symphony trust --project ~/src/project",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "trust")
    if not ok then return nil, why end
    local dir = ctx:place().dir
    local changed, bad = trust.grant(dir)
    if changed == nil then return nil, bad end
    if ctx.json then
      ctx:document { project = dir, trusted = trust.trusted(dir), changed = changed }
    else
      ctx:say(("%s %s"):format(dir, changed and "is trusted now" or "was trusted already"))
    end
    return exit.DONE
  end,
}
