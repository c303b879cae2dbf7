--- Answers as files: `.symphony/inbox/RUN/TASK.json`, RUN a number or an id, `/` in TASK written as `.`. Who answers
--- writes elsewhere and renames the file there, so that it is whole. It is consumed once: removed when the answer is
--- committed. What is no answer is moved to `.symphony/inbox/refused/`, with an event. A run that has parked takes its
--- answers when it is resumed; one that lives, while it lives.
local chore = require "kit.chore"
local decisions = require "kit.decisions"
local fs = require "sy.fs"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local questions = require "kit.questions"

local M = {}

local MAX_BYTES = 16 << 20
local REFUSED = "refused"
local ENDED = { completed = true, failed = true, cancelled = true }

---@class InboxFile
---@field path string
---@field run string as its folder is named
---@field name string of the file
---@field task string

local function folder(place)
  return paths.join(place.state_dir, "inbox")
end

--- The files there are, those that are written only half (`.`, no .json) left out.
local function files(place)
  local list, root = {}, folder(place)
  for _, run in ipairs(paths.names(root) or {}) do
    local dir = paths.join(root, run)
    local st = run ~= REFUSED and paths.stat(dir, false)
    for _, name in ipairs(st and st.type == "directory" and paths.names(dir) or {}) do
      local stem = name:match("^([^.].*)%.json$")
      if stem then
        list[#list + 1] = { path = paths.join(dir, name), run = run, name = name, task = (stem:gsub("%.", "/")) }
      end
    end
  end
  return list
end

local function read(file)
  local st = paths.stat(file.path, false)
  if not st or st.type ~= "file" then return problem.fail("usage", "it is no file") end
  local text, message = fs.read(file.path, { max = MAX_BYTES })
  if not text then return problem.fail("usage", message) end
  local value, failure = json.decode(text)
  if value == nil then return problem.fail("usage", "it is no JSON: " .. tostring(failure)) end
  return { value = value }
end

--- Whether a task of a run may still ask: it has not ended, or has not begun.
local function may_ask(host, row, key)
  local task = host:query([[
SELECT task_status, operation FROM task WHERE pipeline_orchestration_id = ?1 AND key = ?2]], { row.id, key })[1]
  if task then return task.operation == "host.ask" and task.task_status == "pending" end
  for _, node in ipairs((json.decode(row.task_dag) or {}).nodes or {}) do
    if node.key == key:match("^[^/]+") then return true end
  end
  return false
end

--- What a file answers: {value, task}; or why it answers nothing; neither for what was not asked yet.
local function understand(host, row, file)
  local content, why = read(file)
  if not content then return nil, why end
  if ENDED[row.status] then return problem.fail("usage", ("run #%d has ended"):format(row.number)) end
  local question, bad = questions.choose(questions.list(host, row.id), row, file.task)
  if not question and may_ask(host, row, file.task) then return nil, nil end
  if not question then return nil, bad end
  local value, wrong = questions.check(question, content.value)
  if value == nil then return nil, wrong end
  return { task = question.task, value = value }
end

--- Moves a file aside and keeps why, as an event.
local function refuse(host, place, file, why)
  local root = paths.join(folder(place), REFUSED)
  local target = paths.join(root, ("%s-%s"):format(file.run, file.name))
  fs.mkdir_p(root)
  fs.remove(target)
  local moved = fs.rename(file.path, target)
  local said = ("the answer in %s was refused: %s"):format(paths.relative(file.path, place.dir), why.message)
  chore.run(host, {
    type = "artifact_processing", operation = "host.kit",
    payload = { action = "inbox", run = file.run, task = file.task, file = file.name },
  }, function() return problem.fail(why.code, said) end)
  return moved and ("%s   it is now %s"):format(said, paths.relative(target, place.dir)) or said
end

local BY_NAME = "SELECT * FROM pipeline_orchestration WHERE number = ?1 OR id = ?2"

local function row_of(host, file)
  local row = host:query(BY_NAME, { math.tointeger(tonumber(file.run:match("^%d+$"))) or json.null, file.run })[1]
  if row then return row end
  return problem.fail("not_found", ("there is no run `%s`"):format(file.run))
end

--- The answers for one run, and what was said about files that are none.
---@param host table
---@param place Place
---@param run string id
---@return { task: string, value: any, file: InboxFile }[] answers
---@return string[] said
function M.answers(host, place, run)
  local list, said = {}, {}
  for _, file in ipairs(files(place)) do
    local row = row_of(host, file)
    if row and row.id == run then
      local answer, why = understand(host, row, file)
      if answer then
        answer.file = file
        list[#list + 1] = answer
      elseif why then
        said[#said + 1] = refuse(host, place, file, why)
      end
    end
  end
  return list, said
end

--- Removes a file whose answer is committed.
---@param file InboxFile
function M.consume(file)
  fs.remove(file.path)
end

--- Gives a living run the answers that there are for it.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration, of a run that lives in this host
---@return string[] said words for the person
function M.deliver(host, place, row)
  if not fs.exists(folder(place)) then return {} end
  local list, said = M.answers(host, place, row.id)
  for _, answer in ipairs(list) do
    local ok, why = decisions.decide(host, row, "answer", answer.task, answer.value)
    if ok then
      M.consume(answer.file)
      said[#said + 1] = ("`%s` was answered by %s"):format(answer.task, paths.relative(answer.file.path, place.dir))
    elseif why then -- else it has parked meanwhile
      said[#said + 1] = refuse(host, place, answer.file, why)
    end
  end
  return said
end

--- Goes on with a run that has parked, if the inbox has an answer for it.
---@param host table
---@param place Place
---@param row table of pipeline_orchestration, as it is now
---@return boolean went_on
---@return string[] said
function M.wake(host, place, row)
  if not fs.exists(folder(place)) then return false, {} end
  local list, said = M.answers(host, place, row.id)
  if not list[1] then return false, said end
  local told, why = decisions.answer(host, place, row, list[1].task, list[1].value)
  if told then
    M.consume(list[1].file)
  else
    said[#said + 1] = refuse(host, place, list[1].file, why)
  end
  return told ~= nil, said
end

--- Looks when a host opens: what can answer nothing is moved aside, what a parked run waits for is mentioned.
---@param host table
---@param place Place
---@return string[] said
---@return integer[] answered numbers of parked runs that have an answer
function M.settle(host, place)
  local said, answered, mentioned = {}, {}, {}
  if not fs.exists(folder(place)) then return said, answered end
  for _, file in ipairs(files(place)) do
    local row, why = row_of(host, file)
    local answer = nil
    if row then answer, why = understand(host, row, file) end
    if why then
      said[#said + 1] = refuse(host, place, file, why)
    elseif answer and (row.status == "waiting" or row.status == "paused") and not mentioned[row.number] then
      mentioned[row.number] = true
      answered[#answered + 1] = row.number
    end
  end
  return said, answered
end

return M
