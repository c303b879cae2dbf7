--- What a run waits for: questions, decisions about tasks that failed or whose effect is not known, and time.
local json = require "sy.json"
local null = require "kit.null"
local problem = require "kit.problem"
local schema = require "sy.schema"
local time = require "sy.time"

local plain = null.to_nil

local M = {}

---@class Question
---@field task string key
---@field why "answer"|"error"|"effect"|"budget"|"time"
---@field question string? text of it
---@field schema table? of the answer
---@field default any
---@field message string? what had happened
---@field hint string? what the error advised

local WAITING = [[
SELECT key, task_payload, error, coalesce(json_extract(execution_context, '$.waits'),
  iif(json_extract(error, '$.code') = 'effect_uncertain', 'effect', NULL)) AS why,
  json_extract(execution_context, '$.until_ms') AS until_ms
FROM task WHERE pipeline_orchestration_id = ?1 AND task_status = 'executing' AND why IS NOT NULL
ORDER BY created_at, key]]

local function decoded(host, text)
  local value = type(text) == "string" and json.decode(text) or nil
  local hash = type(value) == "table" and value["$artifact"]
  if type(hash) ~= "string" then return value end
  local bytes = host:artifact_get(hash)
  return bytes and json.decode(bytes) or value
end

--- "it sleeps until 2026-11-23 12:00:00 UTC".
local function until_when(ms)
  if not plain(ms) then return "it sleeps" end
  return ("it sleeps until %s UTC"):format((time.iso(math.tointeger(ms)):sub(1, 19):gsub("T", " ")))
end

local function as_question(host, row)
  local made = { task = row.key, why = row.why }
  if row.why == "answer" then
    local asked = decoded(host, row.task_payload) or {}
    local text = plain(asked.question)
    made.question = type(text) == "string" and text or text and json.encode(text) or ""
    made.schema, made.default = plain(asked.schema), asked.default
  elseif row.why == "time" then
    made.message = until_when(row.until_ms)
  else
    local why = decoded(host, row.error)
    made.message = type(why) == "table" and plain(why.message) or nil
    made.hint = type(why) == "table" and plain(why.hint) or nil
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
      local what = one.why == "time" and one.message or "it waits for a decision"
      return problem.fail("usage", ("`%s` asks nothing, %s"):format(task, what),
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
  if question.why == "time" then return ("symphony resume %d   goes on with it then"):format(number) end
  local more = question.why == "budget" and (question.hint or ""):match "%-%-budget %S+"
  if more then
    return ("symphony resume %d %s | --skip %s | --result %s=JSON"):format(number, more, key, key)
  end
  if question.why ~= "answer" then
    return ("symphony resume %d --retry %s | --skip %s | --result %s=JSON"):format(number, key, key, key)
  end
  return ("symphony answer %d %s %s"):format(number, key, quoted(M.example(question.schema)))
end

return M
