--- RUN and TASK as people type them: `7`, `last`, `last:review`, an id, a unique ending; keys and globs of tasks.
local json = require "sy.json"
local problem = require "kit.problem"
local suggest = require "kit.suggest"

local M = {}

local MIN_ENDING = 6

local COLUMNS = [[
SELECT p.*, m.name AS melody_name FROM pipeline_orchestration p LEFT JOIN melody m ON m.id = p.melody_id]]

local function first(host, where, params)
  local rows = host:query(COLUMNS .. " " .. where, params or {})
  return rows[1], rows[2]
end

local function no_run(message, hint)
  return problem.fail("not_found", message, { hint = hint or "symphony runs   lists them" })
end

local function last_of(host, name)
  local row = first(host, "WHERE m.name = ?1 ORDER BY p.number DESC LIMIT 1", { name })
  if row then return row end
  local names = {}
  for _, one in ipairs(host:query("SELECT DISTINCT name FROM melody ORDER BY name", {})) do
    names[#names + 1] = one.name
  end
  return no_run(("no run of a melody `%s`"):format(name), suggest.hint(name, names))
end

local function by_ending(host, text)
  local word = text:lower()
  local row = first(host, "WHERE p.id = ?1 LIMIT 1", { word })
  if row then return row end
  local other
  if #word < MIN_ENDING or not word:match("^[%x%-]+$") then return no_run(("there is no run `%s`"):format(text)) end
  row, other = first(host, "WHERE substr(p.id, -?2) = ?1 LIMIT 2", { word, #word })
  if other then
    return problem.fail("usage", ("several runs end in `%s`"):format(text), { hint = "give more of the id" })
  end
  return row or no_run(("there is no run `%s`"):format(text))
end

--- Whether a run that was there is gone, or half gone, for it is old: what was read of it is not to be shown.
---@param host table
---@param run { id: string, number: integer }
---@return Problem?
function M.gone(host, run)
  local row = host:query([[
SELECT s.removing_at IS NULL AS stays FROM pipeline_orchestration p
LEFT JOIN run_span s ON s.pipeline_orchestration_id = p.id WHERE p.id = ?1]], { run.id })[1]
  if row and row.stays == 1 then return nil end
  return problem.new("not_found", ("run #%d is being removed"):format(run.number),
    { hint = "symphony runs   lists those that stay" })
end

local function find(host, text, where)
  if text == nil or text == "last" then
    local row = first(host, ("WHERE %s ORDER BY p.number DESC LIMIT 1"):format(text == nil and where and where.sql
      or "true"))
    if row then return row end
    if text == nil and where then return no_run("there is no run " .. where.what) end
    return no_run("there is no run yet", "symphony run hello   makes one")
  end
  local name = text:match("^last:(.+)$")
  if name then return last_of(host, name) end
  if text:match("^#?%d+$") and #text < MIN_ENDING + 10 then
    local number = math.tointeger(tonumber((text:gsub("^#", ""))))
    local row = number and first(host, "WHERE p.number = ?1 LIMIT 1", { number })
    if row then return row end
    if #text < MIN_ENDING then return no_run(("there is no run %s"):format(text)) end
  end
  return by_ending(host, text)
end

--- The row of a run (all of pipeline_orchestration, and melody_name).
---@param host table
---@param text? string nil: the last run that `where` admits
---@param where? { sql: string, what: string } narrows what "the last" is
---@return table?, Problem?
function M.run(host, text, where)
  local row, why = find(host, text, where)
  if not row then return nil, why end
  local gone = M.gone(host, row)
  if gone then return nil, gone end
  return row
end

--- A glob of task keys as a Lua pattern: `*` stays within one part, `**` does not, `?` is one letter.
---@param glob string
---@return string
function M.pattern(glob)
  local out = glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*%*", "\0"):gsub("%*", "[^/]*"):gsub("%?",
    "[^/]"):gsub("%z", ".*")
  return "^" .. out .. "$"
end

--- The tasks of a list whose key a glob matches.
---@param tasks { key: string }[]
---@param glob string
---@param run integer the run's number
---@return table[]?, Problem?
function M.tasks(tasks, glob, run)
  local pattern, found, keys = M.pattern(glob), {}, {}
  for _, task in ipairs(tasks) do
    if task.key:match(pattern) then found[#found + 1] = task end
    keys[#keys + 1] = task.key
  end
  if #found > 0 then return found end
  return problem.fail("not_found", ("the run has no task `%s`"):format(glob),
    { hint = suggest.hint(glob, keys) or ("symphony show %d   lists its tasks"):format(run) })
end

--- Whether a column's value is SQL NULL.
---@param value any
---@return boolean
function M.null(value)
  return value == nil or value == json.null
end

return M
