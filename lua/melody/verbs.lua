--- The verbs of a task: the fields that each has, which of them hold values and functions, and how it is shown.
local M = {}

local COMMON = { "key", "verb", "options", "line", "file" }
local CALL = { "operation", "extension" }

---@class melody.Verb
---@field fields string[] of a task of this verb, in a definition
---@field calls boolean whether it calls an operation
---@field values string[] the fields that hold references
---@field functions string[] the fields that hold functions

local function verb(calls, values, functions, others)
  local fields = {}
  for _, list in ipairs { COMMON, calls and CALL or {}, values, functions, others or {} } do
    table.move(list, 1, #list, #fields + 1, fields)
  end
  return { calls = calls, values = values, functions = functions, fields = fields }
end

---@type table<string, melody.Verb>
local verbs = {
  task = verb(true, { "input" }, {}),
  each = verb(true, { "list" }, { "fn" }),
  loop = verb(true, { "input" }, { "fn", "until" }, { "max" }),
  ask = verb(false, { "question" }, {}, { "schema" }),
  sub = verb(false, { "params" }, {}, { "melody" }),
  flow = verb(false, {}, { "fn" }, { "operations" }),
}

--- In the order in which the guide lists them.
M.names = { "task", "each", "loop", "ask", "sub", "flow" }

M.DEFAULT_MAX = 100 -- iterations of a loop
M.MOST = 1000000

--- The verb of a task.
---@param task table
---@return melody.Verb
function M.of(task)
  return verbs[task.verb or "task"]
end

--- The operation that a task calls, else the host's own: "git.diff", "host.ask", "host.sub".
---@param task table
---@return string
function M.operation(task)
  return task.operation or "host." .. tostring(task.verb)
end

--- What a task does, in few words: "lint.check ×n", "host.sub greet".
---@param task table
---@param signs { times: string, again: string }
---@return string
function M.label(task, signs)
  local name = M.operation(task)
  if task.verb == "each" then return ("%s %sn"):format(name, signs.times) end
  if task.verb == "loop" then return ("%s %s%d"):format(name, signs.again, task.max or M.DEFAULT_MAX) end
  if task.verb == "sub" then return ("%s %s"):format(name, tostring(task.melody)) end
  return name
end

return M
