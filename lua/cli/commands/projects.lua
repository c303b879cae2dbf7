--- projects: where this person has used Symphony.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"
local person = require "kit.person"
local text = require "cli.output.text"
local trust = require "kit.trust"

return {
  name = "projects",
  summary = "where you have used Symphony",
  usage = "projects",
  options = {},
  example = "symphony projects --json",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, "projects")
    if not ok then return nil, why end
    local found, bad = person.projects()
    if not found then return nil, bad end
    local list, rows = json.array {}, {}
    for i, project in ipairs(found) do
      local there = paths.kind(paths.join(project.path, ".symphony")) == "directory"
      list[i] = {
        id = project.id, name = project.name, path = project.path, created_at = project.created_at,
        opened_at = project.opened_at,
        exists = there, trusted = trust.trusted(project.path),
      }
      rows[i] = { project.name, project.path, there and (list[i].trusted and "trusted" or "") or "gone" }
    end
    if ctx.json then
      ctx:document { projects = list }
      return exit.DONE
    end
    for _, line in ipairs(text.table(rows)) do ctx:print(line) end
    if #rows == 0 then ctx:say("no project yet   symphony init") end
    return exit.DONE
  end,
}
