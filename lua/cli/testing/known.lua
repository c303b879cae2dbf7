--- Whether what a test names is in its melody: a stub for a task that is not there would never be played, and the test
--- would pass for another reason.
local problem = require "kit.problem"
local select = require "cli.select"
local suggest = require "kit.suggest"

local M = {}

local UNDOING = "compensate"
local inside = {}

local function fits(parts, at, name)
  return name:match(select.pattern(parts[at])) ~= nil
end

--- Whether the last part is what undoes a task.
local function is_undoing(task, parts, at)
  return at == #parts and task.options ~= nil and task.options.compensate ~= nil and fits(parts, at, UNDOING)
end

--- Below a map or a loop: a number, and below that what undoes it.
local function numbered(task, parts, at)
  local number = parts[at]:match "^%d+$" or parts[at]:find("*", 1, true) or parts[at]:find("?", 1, true)
  return number and (at == #parts or is_undoing(task, parts, at + 1)) or is_undoing(task, parts, at)
end

inside.each, inside.loop = numbered, numbered

--- What a flow calls is known when it runs.
function inside.flow() return true end

--- The first part that fits nothing, and what there is in its place.
local function walk(top, definition, parts, at)
  local names, failed, known = {}, at, nil
  for i, task in ipairs(definition and definition.tasks or {}) do
    names[i] = task.key
    if fits(parts, at, task.key) then
      if at == #parts or is_undoing(task, parts, at + 1) then return nil end
      local bad, others
      if task.verb == "sub" then
        bad, others = walk(top, top.melodies and top.melodies[task.melody], parts, at + 1)
      elseif not inside[task.verb] or not inside[task.verb](task, parts, at + 1) then
        bad, others = at + 1, {}
      end
      if not bad then return nil end
      if bad > failed then failed, known = bad, others end
    end
  end
  return failed, known or names
end

--- Why no task of a melody can have such a key.
---@param definition table
---@param key string of a task, or a pattern
---@return string? hint nil: there may be one
function M.unknown(definition, key)
  if key:find("**", 1, true) then return nil end
  local parts = {}
  for part in key:gmatch "[^/]+" do parts[#parts + 1] = part end
  if #parts == 0 then parts[1] = "" end
  local failed, names = walk(definition, definition, parts, 1)
  if not failed then return nil end
  local above = table.concat(parts, "/", 1, failed - 1)
  local near = suggest.hint(parts[failed], names)
  if near then return near end
  if #names > 0 then
    return (above == "" and "there are: " or ("in `%s` there are: "):format(above)) .. table.concat(names, ", ")
  end
  return ("nothing of that name is below `%s`"):format(above)
end

local function refusal(test, case, what, key, hint)
  return problem.fail("melody_invalid",
    ("the case `%s` has %s for `%s`, and the melody has no such task"):format(case.name, what, key),
    { file = test.file, line = case.line, hint = hint })
end

--- Refuses a case with stubs or answers for tasks that are not there.
---@param definition table
---@param test TestFile
---@param case table
---@return boolean?, Problem?
function M.check(definition, test, case)
  for _, stub in ipairs(case.stubs) do
    local hint = M.unknown(definition, stub.task)
    if hint then return refusal(test, case, "a stub", stub.task, hint) end
  end
  local keys = {}
  for key in pairs(case.answers) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local hint = M.unknown(definition, key)
    if hint then return refusal(test, case, "an answer", key, hint) end
  end
  return true
end

return M
