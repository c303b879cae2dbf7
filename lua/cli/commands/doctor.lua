--- doctor: what could be in the way, a line each, with what to do.
local args = require "cli.args"
local checks = require "cli.doctor_checks"
local exit = require "cli.exit"
local json = require "sy.json"
local text = require "cli.output.text"

return {
  name = "doctor",
  summary = "look for what could be in the way",
  usage = "doctor",
  options = {},
  example = "symphony doctor",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "doctor")
    if not ok then return nil, why end
    local list, rows, good = json.array {}, {}, true
    for i, check in ipairs(checks.list) do
      local state, found, action = check.look(ctx)
      list[i] = { name = check.name, state = state, found = found, action = action or json.null }
      rows[i] = { ctx.style:sign(state) .. " " .. check.name, found .. (action and "   " .. action or "") }
      good = good and state ~= "fail"
    end
    if ctx.json then
      ctx:document { ok = good, checks = list }
    else
      for _, line in ipairs(text.table(rows)) do ctx:print(line) end
    end
    return good and exit.DONE or exit.FAILED
  end,
}
