--- That a task was undone, or what undoing it came to: from the row of the task below it that undoes it.
local document = require "cli.output.document"
local null = require "kit.null"
local order = require "cli.why_order"

local M = {}

local UNDOING = "compensate"

local function moment(stamp)
  return null.present(stamp) and (" at %s UTC"):format((stamp:sub(1, 19):gsub("T", " "))) or ""
end

local function message_of(row)
  local why = document.error(row.error)
  return type(why) == "table" and (": " .. tostring(why.message)) or ""
end

--- Of a task with a compensation that has begun.
local function undone(undoing, row)
  local how = ("by %s (%s)"):format(undoing.operation, undoing.key)
  if row.outcome == "compensated" then
    return ("it ran, and was undone%s %s"):format(moment(undoing.completed_at), how)
  end
  if undoing.task_status == "failed" then return ("it ran; undoing it %s failed%s"):format(how, message_of(undoing)) end
  return ("it ran, and is being undone %s"):format(how)
end

--- Adds what is known of undoing a task, and of a task that undoes another.
---@param row table of the task
---@param states table<string, table> rows by key
---@param list table[] reasons
function M.add(row, states, list)
  local undoing, undoes = states[row.key .. "/" .. UNDOING], row.key:match("^(.+)/" .. UNDOING .. "$")
  if undoing then
    list[#list + 1] = order.reason("undone", undone(undoing, row), { task = undoing.key })
  elseif row.outcome == "compensated" then
    list[#list + 1] = order.reason("undone", "it ran, and was undone")
  end
  if undoes then list[#list + 1] = order.reason("undoes", ("it undoes `%s`"):format(undoes), { task = undoes }) end
end

return M
