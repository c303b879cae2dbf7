--- answer: what a run asks, answered from anywhere; a run that has parked goes on with it.
local args = require "cli.args"
local decisions = require "kit.decisions"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local json = require "sy.json"
local problem = require "kit.problem"
local questions = require "kit.questions"
local select = require "cli.select"

local USAGE = "answer [RUN] [TASK] JSON"

--- Whether a word names a run and no task: keys begin with a letter or _ and have no `-`.
local function names_run(word)
  return word:match("^#?%d") ~= nil or word == "last" or word:match("^last:") ~= nil
         or word:match("^%x+$") ~= nil and #word >= 6 or word:match("^%x+%-[%x%-]+$") ~= nil
end

--- The run, the task and the text of the answer among the words.
local function read_words(words)
  local text = words[#words]
  if #words == 3 then return words[1], words[2], text end
  if #words == 2 and names_run(words[1]) then return words[1], nil, text end
  return nil, words[2] and words[1], text
end

--- The only run that asks.
local function only_run(host)
  local ids = questions.runs(host)
  if #ids == 1 then return select.run(host, ids[1]) end
  if #ids == 0 then return problem.fail("not_found", "no run waits for an answer", { hint = "symphony runs" }) end
  local numbers = {}
  for i, id in ipairs(ids) do numbers[i] = tostring(select.run(host, id).number) end
  return problem.fail("usage", "several runs wait for an answer",
    { hint = "say which: " .. table.concat(numbers, ", ") })
end

--- The value of a text: JSON, or itself where a string is asked for.
local function read_value(question, text)
  local value, failure = json.decode(text)
  if value ~= nil then
    local checked, why = questions.check(question, value)
    if checked ~= nil then return checked end
    if type(value) == "string" then return nil, why end
  end
  local plain = questions.check(question, text)
  if question.schema ~= nil and plain ~= nil and next(type(question.schema) == "table" and question.schema or {}) then
    return plain
  end
  if value ~= nil then return questions.check(question, value) end
  return problem.fail("usage", "the answer is no JSON: " .. tostring(failure),
    { hint = "such as " .. questions.example(question.schema) })
end

local function find(host, words)
  local run, task, text = read_words(words)
  local row, why
  if run then row, why = select.run(host, run) else row, why = only_run(host) end
  if not row then return nil, nil, why end
  local question, bad = questions.choose(questions.list(host, row.id), row, task)
  if not question then return nil, nil, bad end
  local value, wrong = read_value(question, text)
  if value == nil then return nil, nil, wrong end
  return row, { task = question.task, value = value }
end

return {
  name = "answer",
  summary = "answer what a run asks",
  usage = USAGE,
  options = {},
  example = "symphony answer 7 send true",
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 3, USAGE)
    if not ok then return nil, why end
    local host, closed = ctx:host { create = false }
    if not host then return nil, closed end
    local row, answer, bad = find(host, words)
    if not row then return nil, bad end
    local how, failure = decisions.answer(host, ctx:place(), row, answer.task, answer.value)
    if not how then return nil, failure end
    if how == "resumed" then
      return follow.run(ctx, host, { run = row.id, number = row.number },
        { name = document.name(row), params = json.decode(row.params) })
    end
    if ctx.json then
      ctx:document(document.run(host, (select.run(host, row.id))))
    else
      ctx:say(("run #%d goes on with the answer to `%s`"):format(row.number, answer.task))
    end
    return exit.DONE
  end,
}
