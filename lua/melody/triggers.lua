--- What a melody may start on: `m:on(kind, spec)`. The form is checked here, with the melody; firing is the host's.
local schedule = require "melody.schedule"

local M = {}

M.kinds = { "schedule", "event", "file", "webhook", "melody" }

--- Words between dots; `*` stands for one word, a last `>` for all that follow.
local function topic(spec)
  if spec == "" or spec:find("^%.") or spec:find("%.$") or spec:find("..", 1, true) then
    return nil, "a topic has words between its dots", "such as run.*.task_completed or run.>"
  end
  for word in spec:gmatch("[^.]+") do
    if word:find("[%s%c]") then return nil, ("`%s` is no word of a topic"):format(word) end
    if #word > 1 and word:find("[*>]") then
      return nil, ("`%s`: * and > stand for whole words"):format(word), "such as run.*.task_completed or run.>"
    end
  end
  local first = spec:find(">", 1, true)
  if first and first < #spec then return nil, "`>` stands for the rest of a topic: it is its last word" end
  return true
end

--- Whether brackets of a glob are closed.
local function closed(spec, open, close)
  local rest = spec:gsub("\\.", "")
  local _, a = rest:gsub("%" .. open, "")
  local _, b = rest:gsub("%" .. close, "")
  return a == b
end

local function glob(spec)
  if spec == "" then return nil, "a file glob says which files", "such as src/**/*.c" end
  if spec:sub(1, 1) == "/" or ("/" .. spec .. "/"):find("/../", 1, true) then
    return nil, "a file glob stays within the project", "it is relative to the project's folder: src/**/*.c"
  end
  if not closed(spec, "[", "]") or not closed(spec, "{", "}") then return nil, "a bracket of the glob is not closed" end
  return true
end

local function name(spec)
  if spec:find("^[%a_][%w_-]*$") then return true end
  return nil, ("`%s` is no name: letters, digits, _ and -"):format(spec)
end

local checks = { schedule = schedule.check, event = topic, file = glob, webhook = name, melody = name }

--- Whether what follows on a kind is well formed.
---@param kind string
---@param spec string
---@return boolean? ok
---@return string? message
---@return string? hint
function M.check(kind, spec)
  return checks[kind](spec)
end

return M
