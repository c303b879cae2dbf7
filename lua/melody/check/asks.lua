--- Questions are texts, their schemas are JSON schemas, and a default is an answer that fits.
local json = require "sy.json"
local refs = require "melody.refs"
local schema = require "sy.schema"

local M = {}

local function check_question(context, task)
  local form, content = refs.form(task.question)
  local plain = form == "$literal" and content or not form and task.question or nil
  if plain ~= nil and type(plain) ~= "string" then
    context.report("type_mismatch", task, "the question is no text", { hint = 'm:ask(key, "Send it?", { … })' })
  end
end

local function check_default(context, task, checker)
  local options = task.options or {}
  if options.default == nil then return end
  local value, message = checker:check(options.default)
  if value == nil and message then
    context.report("type_mismatch", task, "the default is no answer to it: " .. message,
                   { target = { option = "default" } })
  elseif not options.timeout_ms then
    context.report("melody_invalid", task, "a default without a timeout is never used",
                   { severity = "warning", target = { option = "default" }, hint = 'add timeout = "1h"' })
  end
end

local function check_ask(context, task)
  check_question(context, task)
  local checker, message = schema.compile(task.schema)
  if not checker then
    return context.report("type_mismatch", task, "the schema of the answer: " .. tostring(message),
                          { hint = 'a JSON schema: { type = "string" }, { enum = { "yes", "no" } }' })
  end
  if (task.options or {}).default ~= json.null then check_default(context, task, checker) end
end

--- Adds the problems of this stage.
---@param context table
function M.run(context)
  for _, task in ipairs(context.definition.tasks) do
    if task.verb == "ask" then check_ask(context, task) end
  end
end

return M
