--- What can be wrong with a manifest beyond its keys: schemas that are none, dependencies that are not there or go in a
--- circle. Looked at by `ext check`; a run finds out when it registers the extension.
local keys = require "kit.keys"
local place = require "kit.manifest_place"
local problem = require "kit.problem"

local M = {}

--- A problem at a path of the manifest.
local function at(checked, path, message, hint)
  local near = path
  while near and not checked.lines[near] do near = near:match "^(.*)%.[^.]+$" end
  local why = problem.new("manifest_invalid", message,
    { file = checked.file, line = near and checked.lines[near], hint = hint })
  return place.show(why, checked.text, path)
end

local function schemas(checked, made, problems)
  local schema = require "sy.schema"
  for _, name in ipairs(keys.sorted(made.operation)) do
    for _, part in ipairs { "input", "output" } do
      local declared = made.operation[name][part]
      local ok, failure = true, nil
      if declared then ok, failure = schema.compile(declared) end
      if not ok then
        local path, why = ("operation.%s.%s"):format(name, part), problem.from(failure, "manifest_invalid")
        problems[#problems + 1] = at(checked, path, ("%s: %s"):format(path, why.message),
          why.hint or "JSON Schema, as docs/guide/extensions.md has it")
      end
    end
  end
end

local function dependencies(checked, made, view, problems)
  for _, name in ipairs(keys.sorted(made.dependencies)) do
    local found, why = view:reach(made.extension.name, { [name] = made.dependencies[name] })
    if not found then
      problems[#problems + 1] = at(checked, "dependencies." .. name, why.message,
        why.hint or ("symphony ext install %s"):format(name))
    end
  end
end

--- Checks what a manifest refers to.
---@param made table a manifest that kit.manifest has read
---@param text string what it was read from
---@param file string for messages
---@param view? PackageView the packages there are; nil: dependencies are not looked for
---@return Problem[]
function M.check(made, text, file, view)
  local _, lines = require("sy.toml").decode(text)
  local checked, problems = { text = text, file = file, lines = lines or {} }, {}
  schemas(checked, made, problems)
  if view then dependencies(checked, made, view, problems) end
  return problems
end

return M
