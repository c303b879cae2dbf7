--- Changing what lies in the person's folder while other processes do: one at a time, and readers see the old bytes or
--- the new ones.
local lock = require "sy.lock"
local paths = require "kit.paths"
local person = require "kit.person"
local problem = require "kit.problem"

local M = {}

local MODE = tonumber("600", 8)
local WAIT_MS = 30000

--- Does something that other processes must not do at the same time, under a name of its own.
---@generic T
---@param name string
---@param work fun(): T, Problem?, string?
---@return T?, Problem?, string?
function M.locked(name, work)
  local ok, why = person.prepare()
  if not ok then return nil, why end
  local held, message, code = lock.take(paths.join(person.data_dir(), name .. ".lock"), WAIT_MS)
  if not held then return problem.fail(code, message) end
  local done = table.pack(pcall(work))
  held:release()
  if not done[1] then error(done[2], 0) end
  return table.unpack(done, 2, done.n)
end

--- Replaces a file of the person's folder by what `change` makes of its text ("" when there is none); what that
--- gives beside the text comes back. A text of nil leaves the file as it is.
---@generic T
---@param name string
---@param change fun(text: string): string?, T
---@return T?, Problem?
function M.update(name, change)
  local path = paths.join(person.data_dir(), name)
  return M.locked(name, function()
    local text, result = change(paths.read(path) or "")
    if not text then return result end
    local ok, message, code = paths.write(path, text, MODE)
    if not ok then return problem.fail(code, message) end
    return result
  end)
end

return M
