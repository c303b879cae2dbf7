--- ext pause: an extension is not called any more, until it is resumed.
local pausing = require "cli.ext.pausing"

local USAGE = "ext pause NAME"

return {
  name = "pause",
  summary = "let no run of the project call an extension; its tasks fall back or fail",
  usage = USAGE,
  options = {},
  example = "symphony ext pause git",
  run = function(ctx, words) return pausing.run(ctx, words, USAGE, true) end,
}
