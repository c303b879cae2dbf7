--- What to type when a run has not simply ended well.
local questions = require "kit.questions"
local text = require "cli.output.text"

local M = {}

--- What a run waits for, and the commands that go on with it.
local function waiting_lines(host, doc)
  local lines = {}
  for i, one in ipairs(questions.list(host, doc.run)) do
    local what = text.clean(questions.text(one))
    lines[i] = ("`%s` waits: %s\n  %s"):format(one.task, what, questions.command(doc.number, one))
  end
  if #lines == 0 then lines[1] = ("run #%d waits   symphony show %d"):format(doc.number, doc.number) end
  return lines
end

--- The lines that say it, with the commands.
---@param host table
---@param doc table a run document
---@return string[]
function M.lines(host, doc)
  local n = doc.number
  if doc.status == "completed" then return {} end
  if doc.status == "waiting" then return waiting_lines(host, doc) end
  if doc.alive then return { ("run #%d goes on   symphony show %d"):format(n, n) } end
  if doc.status == "paused" or doc.status == "running" then
    return { ("run #%d is parked   symphony resume %d"):format(n, n) }
  end
  if doc.status == "failed" then return { ("symphony logs %d --failed   shows why"):format(n) } end
  return {}
end

return M
