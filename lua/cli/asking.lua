--- Questions asked in place, on a terminal: by their schema, until the answer fits. Ctrl-D leaves the run parked.
local decisions = require "kit.decisions"
local inbox = require "kit.inbox"
local json = require "sy.json"
local params = require "cli.params"
local questions = require "kit.questions"
local select = require "cli.select"
local term = require "sy.term"
local text = require "cli.output.text"
local time = require "sy.time"

local M = {}

local LOOK_MS = 500

---@class Asking
---@field closed boolean the person answers no more
local Asking = {}
Asking.__index = Asking

--- Who answers the questions of a run that is followed: the inbox, and on a terminal the person.
---@param ctx Context
---@param host table
---@param row table of pipeline_orchestration
---@param watch Progress?
---@return Asking
function M.new(ctx, host, row, watch)
  local silent = ctx.json or ctx.quiet or not ctx.terminal.stdin or not ctx.terminal.stderr
  return setmetatable({ ctx = ctx, host = host, row = row, watch = watch, closed = silent, next_look = 0,
    answered = {} }, Asking)
end

function Asking:say(line)
  local function say() self.ctx:note(line) end
  if self.watch then self.watch:aside(say) else say() end
end

local function choices(shape)
  if type(shape) ~= "table" then return nil end
  if type(shape.enum) == "table" then return shape.enum end
  return nil
end

local function kind_of(shape)
  return type(shape) == "table" and type(shape.type) == "string" and shape.type or nil
end

--- What is shown before the cursor.
local function prompt(question)
  local list, lines = choices(question.schema), {}
  for i, item in ipairs(list or {}) do
    lines[i] = ("  %d  %s"):format(i, text.clean(type(item) == "string" and item or json.encode(item)))
  end
  local kind = kind_of(question.schema)
  local hint = list and ("1-%d"):format(#list) or kind == "boolean" and "y/n" or kind or "JSON"
  local default = question.default ~= nil and question.default ~= json.null
                  and (", %s if nobody answers"):format(json.encode(question.default)) or ""
  lines[#lines + 1] = ("  [%s%s] "):format(hint, default)
  return table.concat(lines, "\n")
end

local BOOLEANS = { y = true, yes = true, n = false, no = false, ["true"] = true, ["false"] = false }

--- The value that a line stands for; nil and why it stands for none.
---@param question Question
---@param line string
---@return any value
---@return string? why
function M.read(question, line)
  local shape, list, kind = question.schema, choices(question.schema), kind_of(question.schema)
  if list then
    local number = math.tointeger(tonumber(line))
    if number and list[number] ~= nil then return list[number] end
    for _, item in ipairs(list) do
      if item == line then return item end
    end
    return nil, ("it is a number from 1 to %d"):format(#list)
  elseif kind == "boolean" then
    local value = BOOLEANS[line:lower()]
    if value == nil then return nil, "it is y or n" end
    return value
  elseif kind == "string" then
    return line
  end
  local value, fine = params.read(line, type(shape) == "table" and shape or nil)
  if fine and kind then return value end
  local decoded, message = json.decode(line)
  if decoded == nil then return nil, "it is no JSON: " .. tostring(message) end
  return decoded
end

--- One question until it is answered: the value; nil when there is no more input, or a signal came.
local function ask_one(question, number, out)
  out(("%s  %s\n"):format(question.task, text.clean(question.question)))
  local label = prompt(question)
  while true do
    out(label)
    local line, interrupted = term.read_line(0)
    if line == nil then
      out "\n"
      return nil, interrupted
    end
    local value, why = M.read(question, line)
    if value ~= nil then
      local checked, wrong = questions.check(question, value)
      if checked ~= nil then return checked end
      why = wrong.message
    end
    out(("  %s\n"):format(text.clean(why or ("run #%d asks for something else"):format(number))))
  end
end

--- Asks everything that is waited for, each once: its row may tell of the answer a moment later. Whether the run goes
--- on.
function Asking:ask()
  local went_on = false
  local function out(piece) term.write(2, piece) end
  for _, question in ipairs(questions.list(self.host, self.row.id)) do
    if question.why == "answer" and not self.closed and not self.answered[question.task] then
      local value, interrupted
      local function ask() value, interrupted = ask_one(question, self.row.number, out) end
      if self.watch then self.watch:aside(ask) else ask() end
      if value == nil then
        self.closed = true
        return went_on and not interrupted
      end
      local told, why = decisions.answer(self.host, self.ctx:place(), self.row, question.task, value)
      if told then
        went_on, self.answered[question.task] = true, true
      else
        self:say(why.message)
      end
    end
  end
  return went_on
end

--- Looks at the inbox now and then, and asks when something was asked. Whether the run goes on.
---@param state table? as host:run_state gives it
---@param asked boolean a question was asked since the last call
---@return boolean
function Asking:look(state, asked)
  local now = time.monotonic()
  if now >= self.next_look and state and state.status == "running" then
    self.next_look = now + LOOK_MS
    for _, said in ipairs(inbox.deliver(self.host, self.ctx:place(), self.row)) do self:say(said) end
  end
  local parked = state ~= nil and state.status == "waiting"
  if parked then
    local woken, said = inbox.wake(self.host, self.ctx:place(), (select.run(self.host, self.row.id)))
    for _, line in ipairs(said) do self:say(line) end
    if woken then return true end
  end
  if self.closed or not (asked or parked) then return false end
  return self:ask()
end

return M
