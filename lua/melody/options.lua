--- The options of a task: one entry each, in the order the guide lists them. What the engine does not run is not
--- here. `read(value, context)` gives the stored value, or nil and what is wrong with it.
local budget = require "melody.budget"
local duration = require "melody.duration"
local readers = require "melody.readers"
local suggest = require "melody.suggest"

local M = {}

M.callable = readers.callable

local CALLS = { "task", "each", "loop" }

---@class melody.Option
---@field name string as written
---@field stored string as stored in the definition
---@field read fun(value: any, context: table): any, string?
---@field verbs? string[] the only verbs that take it
---@field doc string

---@type melody.Option[]
M.list = {
  { name = "after", read = readers.strings, doc = "tasks to wait for without using what they return" },
  { name = "when", read = readers.callable, doc = "a condition; false skips the task" },
  { name = "edge", read = readers.one_of("hard", "soft", "optional"),
    doc = "how this task waits for the ones it refers to" },
  { name = "join", read = readers.join,
    doc = 'how many predecessors with a value make it ready: "all", "any" or a number' },
  { name = "retry", read = readers.retry, verbs = CALLS, doc = "how often and how soon to try again" },
  { name = "timeout", stored = "timeout_ms", read = duration.parse, doc = "for all attempts together" },
  { name = "attempt_timeout", stored = "attempt_timeout_ms", read = duration.parse, verbs = CALLS,
    doc = "for one attempt" },
  { name = "queue_timeout", stored = "queue_timeout_ms", read = duration.parse, verbs = CALLS,
    doc = "for waiting to be started" },
  { name = "idle_timeout", stored = "idle_timeout_ms", read = duration.parse, verbs = CALLS,
    doc = "between two signs of life of the operation" },
  { name = "fallback", read = readers.fallback, verbs = CALLS,
    doc = "operations to try, in order, when this one has failed" },
  { name = "on_error", read = readers.one_of("halt", "skip", "compensate", "ask"),
    doc = "what a failure means for the run" },
  { name = "compensate", read = readers.compensate, verbs = { "task", "each", "loop", "sub" },
    doc = "what undoes it when the run is undone" },
  { name = "cache", read = readers.cache, verbs = CALLS, doc = "whether, and how long, an output is used again" },
  { name = "priority", read = readers.integer(-10, 10),
    doc = "higher goes first where not everything can run at once" },
  { name = "key", read = readers.key, verbs = CALLS, doc = "tasks of one key run one after the other" },
  { name = "rate", read = readers.rate, verbs = CALLS, doc = "how many may start in which time" },
  { name = "budget", read = budget.read, verbs = { "task", "each", "loop", "sub" },
    doc = "money, tokens and time it may use" },
  { name = "isolation", read = readers.isolation, verbs = CALLS, doc = "where it runs" },
  { name = "player", read = readers.player, verbs = CALLS, doc = "who chooses the operation" },
  { name = "max_parallel", read = readers.integer(1, 100000), verbs = { "each" },
    doc = "children running at once" },
  { name = "default", read = function(value) return value end, verbs = { "ask" },
    doc = "the answer when none came in time" },
}

local by_name = {}
for _, option in ipairs(M.list) do
  option.stored = option.stored or option.name
  by_name[option.name] = option
  if option.stored ~= option.name then
    by_name[option.stored] = { name = option.stored, stored = option.stored, verbs = option.verbs,
                               read = duration.milliseconds }
  end
end

--- The option of a name, or nil.
---@param name string
---@return melody.Option?
function M.find(name)
  return by_name[name]
end

--- Whether a verb takes an option.
---@param verb string
---@param option melody.Option
---@return boolean
function M.takes(verb, option)
  for _, one in ipairs(option.verbs or { verb }) do
    if one == verb then return true end
  end
  return false
end

--- The names that a verb takes, as written.
---@param verb string
---@return string[]
function M.names(verb)
  local names = {}
  for _, option in ipairs(M.list) do
    if M.takes(verb, option) then names[#names + 1] = option.name end
  end
  return names
end

local function read_one(verb, name, value, context, out)
  local option, report = M.find(name), context.report
  if not option or not M.takes(verb, option) then
    local known = M.names(verb)
    return report(("unknown option `%s`"):format(tostring(name)),
                  { target = { option = tostring(name) }, note = suggest.phrase(tostring(name), known),
                    hint = ("%s takes: %s"):format(verb, table.concat(known, ", ")) })
  end
  local read, message = option.read(value, context)
  if read == nil then
    return report(("option %s: %s"):format(name, message), { target = { option = name }, code = "type_mismatch" })
  end
  if out[option.stored] ~= nil then return report(("option %s is given twice"):format(option.name)) end
  out[option.stored] = read
end

--- The options of one task as they are stored; nil when none is left.
---@param verb string
---@param raw table<string, any>
---@param context { line: integer?, extension: fun(name: string): any, report: fun(message: string, fields: table) }
---@return table<string, any>?
function M.read(verb, raw, context)
  local out, names = {}, {}
  for name in pairs(raw) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do read_one(verb, name, raw[name], context, out) end
  return next(out) ~= nil and out or nil
end

return M
