--- What a run waits for: questions, and decisions about tasks that failed or whose effect is not known. And answers.
local json = require "sy.json"
local problem = require "kit.problem"
local runner = require "kit.runner"
local schema = require "sy.schema"
local time = require "sy.time"

local M = {}

local WAIT_MS = 5000
local STEP_MS = 20

---@class Question
---@field task string key
---@field why "answer"|"error"|"effect"|"budget"
---@field question string? text of it
---@field schema table? of the answer
---@field default any
---@field message string? what had happened

local WAITING = [[
SELECT key, task_payload, error, coalesce(json_extract(execution_context, '$.waits'),
  iif(json_extract(error, '$.code') = 'effect_uncertain', 'effect', NULL)) AS why
FROM task WHERE pipeline_orchestration_id = ?1 AND task_status = 'executing' AND why IS NOT NULL
ORDER BY created_at, key]]

local function decoded(host, text)
  local value = type(text) == "string" and json.decode(text) or nil
  local hash = type(value) == "table" and value["$artifact"]
  if type(hash) ~= "string" then return value end
  local bytes = host:artifact_get(hash)
  return bytes and json.decode(bytes) or value
end

local function present(value)
  if value == json.null then return nil end
  return value
end

local function as_question(host, row)
  local made = { task = row.key, why = row.why }
  if row.why == "answer" then
    local asked = decoded(host, row.task_payload) or {}
    local text = present(asked.question)
    made.question = type(text) == "string" and text or text and json.encode(text) or ""
    made.schema, made.default = present(asked.schema), asked.default
  else
    local why = decoded(host, row.error)
    made.message = type(why) == "table" and present(why.message) or nil
  end
  return made
end

--- What a run waits for, in the order in which it was asked.
---@param host table
---@param run string id
---@return Question[]
function M.list(host, run)
  local list = {}
  for i, row in ipairs(host:query(WAITING, { run })) do list[i] = as_question(host, row) end
  return list
end

local ASKING = [[
SELECT DISTINCT p.id FROM pipeline_orchestration p JOIN task t ON t.pipeline_orchestration_id = p.id
WHERE p.status IN ('waiting', 'running', 'paused') AND t.task_status = 'executing'
  AND json_extract(t.execution_context, '$.waits') = 'answer' ORDER BY p.number]]

--- The ids of the runs that ask something.
---@param host table
---@return string[]
function M.runs(host)
  local ids = {}
  for i, row in ipairs(host:query(ASKING, {})) do ids[i] = row.id end
  return ids
end

--- The question of a task, or the only one there is.
---@param list Question[]
---@param run table its row
---@param task? string
---@return Question?, Problem?
function M.choose(list, run, task)
  local asked, keys = {}, {}
  for _, one in ipairs(list) do
    if one.why == "answer" then
      asked[#asked + 1], keys[#keys + 1] = one, one.task
      if one.task == task then return one end
    elseif one.task == task then
      return problem.fail("usage", ("`%s` asks nothing, it waits for a decision"):format(task),
        { hint = M.command(run.number, one) })
    end
  end
  if task then
    return problem.fail("usage", ("run #%d: `%s` does not wait for an answer"):format(run.number, task),
      { hint = #keys > 0 and "these do: " .. table.concat(keys, ", ") or nil })
  end
  if #asked == 1 then return asked[1] end
  if #asked == 0 then return problem.fail("usage", ("run #%d asks nothing"):format(run.number)) end
  return problem.fail("usage", ("run #%d asks several things"):format(run.number),
    { hint = "say which: " .. table.concat(keys, ", ") })
end

--- Whether a value answers a question; the value with its defaults.
---@param question Question
---@param value any
---@return any value
---@return Problem?
function M.check(question, value)
  if question.schema == nil or value == json.null and question.schema == true then return value end
  local checked, message = schema.check(question.schema, value)
  if checked == nil and message then
    return problem.fail("type_mismatch", ("the answer to `%s`: %s"):format(question.task, message),
      { task = question.task, hint = "it is to be like " .. M.example(question.schema) })
  end
  return checked
end

local EXAMPLES = { boolean = true, string = "text", integer = 1, number = 0.5, array = json.array {}, object = {} }

local function kind_of(shape)
  local kind = type(shape) == "table" and shape.type or nil
  return type(kind) == "table" and kind[1] or kind
end

--- An answer as JSON: what to type, with a value of the right kind.
---@param shape any a schema
---@return string
function M.example(shape)
  if type(shape) == "table" and type(shape.enum) == "table" then return json.encode(shape.enum[1]) end
  if type(shape) == "table" and shape.const ~= nil then return json.encode(shape.const) end
  local value = EXAMPLES[kind_of(shape)]
  return value == nil and "JSON" or json.encode(value)
end

--- What the answers may be, in words: "true|false"; nil where that would say nothing.
---@param shape any a schema
---@return string?
function M.choices(shape)
  if type(shape) == "table" and type(shape.enum) == "table" then
    local words = {}
    for i, item in ipairs(shape.enum) do words[i] = type(item) == "string" and item or json.encode(item) end
    return table.concat(words, "|")
  end
  local kind = kind_of(shape)
  return kind == "boolean" and "true|false" or kind
end

local function quoted(text)
  return text:match("^[%w.]+$") and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The question in one line, with what may be answered.
---@param question Question
---@return string
function M.text(question)
  if question.why ~= "answer" then return question.message or "it waits for a decision" end
  local choices = M.choices(question.schema)
  return choices and ("%s [%s]"):format(question.question, choices) or question.question
end

--- The command that answers.
---@param number integer of the run
---@param question Question
---@return string
function M.command(number, question)
  local key = question.task
  if question.why ~= "answer" then
    return ("symphony resume %d --retry %s | --skip %s | --result %s=JSON"):format(number, key, key, key)
  end
  return ("symphony answer %d %s %s"):format(number, key, quoted(M.example(question.schema)))
end

local ASK = [[
INSERT INTO control (id, pipeline_orchestration_id, command, task_key, payload, session_id, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)]]

--- Whether a run lives in this host, or in another process.
---@param host table
---@param row table
---@return "here"|"elsewhere"|nil
function M.lives(host, row)
  local state, owner = host:run_state(row.id), row.owner_host
  if state and (state.status == "running" or state.status == "pending") then return "here" end
  local other = owner ~= json.null and owner ~= nil and owner ~= host:id() and host:alive(owner)
  if other and (row.status == "running" or row.status == "pending") then return "elsewhere" end
  return nil
end

local function current(host, row)
  return host:query("SELECT * FROM pipeline_orchestration WHERE id = ?1", { row.id })[1] or row
end

--- Withdraws what nobody has taken; whether that was so.
local function take_back(host, id)
  host:write([[
UPDATE control SET handled_at = ?2, result = '{"withdrawn":true}' WHERE id = ?1 AND handled_at IS NULL]],
    { id, host:now() })
  local said = host:query("SELECT result FROM control WHERE id = ?1", { id })[1]
  return said ~= nil and said.result == '{"withdrawn":true}'
end

--- Tells the process in which the run lives, and waits for what it says; nil without a problem: it has parked.
local function tell(host, row, what, task, value)
  local id, deadline = host:new_id(), time.monotonic() + WAIT_MS
  local payload = value ~= nil and json.encode(value) or json.null
  local ok, failure, code = host:write(ASK, { id, row.id, what, task, payload, host:id(), host:now() })
  if not ok then return nil, problem.from(failure, code) end
  while time.monotonic() < deadline do
    host:step(STEP_MS)
    local said = host:query("SELECT handled_at, result FROM control WHERE id = ?1", { id })[1]
    if said and said.handled_at ~= json.null then
      local result = json.decode(said.result) or {}
      if result.code then return nil, problem.from(result) end
      return true
    end
    if M.lives(host, current(host, row)) ~= "elsewhere" and take_back(host, id) then return nil end
  end
  return problem.fail("timeout", ("the process that runs #%d did not take it within %d s"):format(row.number,
    WAIT_MS // 1000), { hint = ("symphony show %d"):format(row.number) })
end

--- Whether a run of this host that takes no decision any more has parked: its end may still be on its way.
local function parks(host, row)
  local deadline = time.monotonic() + WAIT_MS
  while M.lives(host, row) == "here" and time.monotonic() < deadline do host:step(STEP_MS) end
  local state = host:run_state(row.id)
  return state ~= nil and (state.status == "waiting" or state.status == "paused")
end

--- Decides about a task of a run that lives somewhere; nil without a problem: it has parked.
---@param host table
---@param row table
---@param what "answer"|"retry"|"skip"
---@param task string
---@param value any
---@return boolean?
---@return Problem?
function M.decide(host, row, what, task, value)
  local where = M.lives(host, row)
  if where == "elsewhere" then return tell(host, row, what, task, value) end
  if where ~= "here" then return nil end
  local ok, failure, code = host:tell(row.id, what, task, value)
  if ok then return true end
  if code == "not_found" and parks(host, row) then return nil end
  return nil, problem.from(failure, code)
end

--- Gives an answer: to the process in which the run lives, or by going on with a run that has parked.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration
---@param task string
---@param value any checked
---@return "told"|"resumed"|nil
---@return Problem?
function M.answer(host, place, row, task, value)
  local told, why = M.decide(host, row, "answer", task, value)
  if told or why then return told and "told" or nil, why end
  local going, bad = runner.resume(host, place, row, { result = { task = task, value = value } })
  if not going then return nil, bad end
  return "resumed"
end

return M
