--- ext resume: a paused extension is called again.
local pausing = require "cli.ext.pausing"

local USAGE = "ext resume NAME"

return {
  name = "resume",
  summary = "let a paused extension be called again",
  usage = USAGE,
  options = {},
  example = "symphony ext resume git",
  run = function(ctx, words) return pausing.run(ctx, words, USAGE, false) end,
}
