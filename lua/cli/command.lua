--- Finding a command by what was typed: its entry, or that of its subcommand.
local names = require "cli.command_list"
local problem = require "kit.problem"
local suggest = require "kit.suggest"

local M = {}

--- Every command's entry, in order.
---@return table[]
function M.all()
  local list, seen = {}, {}
  for i, name in ipairs(names) do
    local entry = require("cli.commands." .. name)
    if entry.name ~= name or seen[name] then error("the command `" .. name .. "` is declared wrongly or twice") end
    seen[name] = true
    list[i] = entry
  end
  return list
end

local function known(name)
  for _, one in ipairs(names) do
    if one == name then return true end
  end
  return false
end

local function subcommand(entry, name)
  for _, sub in ipairs(entry.subcommands) do
    if sub.name == name then return sub end
  end
  return nil
end

local function sub_names(entry)
  local list = {}
  for i, sub in ipairs(entry.subcommands) do list[i] = sub.name end
  return list
end

--- The entry of a command, such as "run".
---@param name string
---@return table?, Problem?
function M.find(name)
  if known(name) then return require("cli.commands." .. name) end
  return problem.fail("usage", ("there is no command `%s`"):format(name),
    { hint = suggest.hint(name, names) or "symphony help   lists the commands" })
end

--- The entry of a subcommand, such as "ls" of "artifact".
---@param entry table
---@param name? string
---@return table?, Problem?
function M.sub(entry, name)
  local list = table.concat(sub_names(entry), ", ")
  if not name then
    return problem.fail("usage", ("`symphony %s` needs one of: %s"):format(entry.name, list),
      { hint = ("symphony %s --help"):format(entry.name) })
  end
  local sub = subcommand(entry, name)
  if sub then return sub end
  return problem.fail("usage", ("`symphony %s` has no `%s`; it has: %s"):format(entry.name, name, list),
    { hint = suggest.hint(name, sub_names(entry)) })
end

return M
