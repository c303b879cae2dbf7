--- Every setting: what it does, its unit, type and default. One place; docs, `config` and checks read it.
---@class Setting
---@field key string
---@field doc string
---@field type "string"|"integer"|"number"|"boolean"
---@field unit string?
---@field default any
---@field choices string[]?
---@field min number?
---@field max number?
---@field flag string? the option that sets it for one command
---@field named boolean? NAME in the key stands for any name; such a setting is read from the files only
---@field read? fun(value: string): any what a text means; nil where it means nothing
---@field what? string what such a text is, for messages

local readers = require "melody.readers"

--- A rate, or none.
local function rate(value)
  return value == "" and value or readers.rate(value)
end

---@type Setting[]
return {
  {
    key = "run.durability",
    doc = "How much a crash may lose: full nothing, process the last moments on power loss, none the run.",
    type = "string",
    choices = { "full", "process", "none" },
    default = "full",
    flag = "durability",
  },
  {
    key = "run.parallel",
    doc = "Tasks of one run that may run at the same time; 0 leaves it to the host.",
    type = "integer",
    unit = "tasks",
    default = 0,
    min = 0,
    flag = "parallel",
  },
  {
    key = "run.weight",
    doc = "The part of a run where runs compete: one of weight 2 gets twice as many turns as one of weight 1.",
    type = "integer",
    default = 1,
    min = 1,
    max = 1000,
    flag = "weight",
  },
  {
    key = "limits.tasks",
    doc = "Tasks of all runs that may run at the same time; 0 leaves it to the host.",
    type = "integer",
    unit = "tasks",
    default = 0,
    min = 0,
  },
  {
    key = "limits.age_ms",
    doc = "Waiting this long for a turn is worth one priority.",
    type = "integer",
    unit = "ms",
    default = 10000,
    min = 1,
  },
  {
    key = "limits.extension.NAME.parallel",
    doc = "Tasks of the extension NAME that may run at the same time; 0 is no limit.",
    type = "integer",
    unit = "tasks",
    default = 0,
    min = 0,
    named = true,
  },
  {
    key = "limits.extension.NAME.rate",
    doc = "How many tasks of the extension NAME may start in which time, such as 10/s or 100/min.",
    type = "string",
    default = "",
    named = true,
    read = rate,
    what = "a rate such as 10/s or 100/min",
  },
  {
    key = "limits.key.NAME.parallel",
    doc = "Tasks with the key NAME that may run at the same time; 0 leaves it to the tasks, else to one.",
    type = "integer",
    unit = "tasks",
    default = 0,
    min = 0,
    named = true,
  },
  {
    key = "limits.key.NAME.rate",
    doc = "How many tasks with the key NAME may start in which time, such as 10/s or 100/min.",
    type = "string",
    default = "",
    named = true,
    read = rate,
    what = "a rate such as 10/s or 100/min",
  },
  {
    key = "host.stage_threads",
    doc = "Threads that run tasks; 0 is one for each processor core.",
    type = "integer",
    unit = "threads",
    default = 0,
    min = 0,
  },
  {
    key = "events.queue",
    doc = "Events that may wait for one follower; beyond it the follower reads on from the database.",
    type = "integer",
    unit = "events",
    default = 1024,
    min = 16,
    max = 1048576,
  },
  {
    key = "output.color",
    doc = "When to use colour.",
    type = "string",
    choices = { "auto", "always", "never" },
    default = "auto",
    flag = "color",
  },
  {
    key = "budget.project.usd",
    doc = "Money that all runs of the project together may cost, for ever; 0 is no limit.",
    type = "number",
    unit = "usd",
    default = 0,
    min = 0,
    max = 1000000,
  },
  {
    key = "budget.project.tokens",
    doc = "Tokens that all runs of the project together may use, for ever; 0 is no limit.",
    type = "integer",
    unit = "tokens",
    default = 0,
    min = 0,
  },
  {
    key = "budget.day.usd",
    doc = "Money that all runs of the project together may cost in one day (UTC); 0 is no limit.",
    type = "number",
    unit = "usd",
    default = 0,
    min = 0,
    max = 1000000,
  },
  {
    key = "budget.day.tokens",
    doc = "Tokens that all runs of the project together may use in one day (UTC); 0 is no limit.",
    type = "integer",
    unit = "tokens",
    default = 0,
    min = 0,
  },
  {
    key = "budget.on_breach",
    doc = "What a task does that the budget of the project or of the day does not cover.",
    type = "string",
    choices = { "stop", "ask", "downgrade" },
    default = "stop",
  },
  {
    key = "runs.keep",
    doc = "The newest ended runs of each melody that stay, however old they are.",
    type = "integer",
    unit = "runs",
    default = 100,
    min = 1,
  },
  {
    key = "runs.keep_days",
    doc = "Other ended runs are removed by `gc` when they are older than this; 0 keeps them.",
    type = "integer",
    unit = "days",
    default = 90,
    min = 0,
  },
  {
    key = "runs.max_mib",
    doc = "Above this size of rows and contents `gc` removes the oldest ended runs, also those to keep; 0 is no limit.",
    type = "integer",
    unit = "MiB",
    default = 0,
    min = 0,
  },
  {
    key = "gc.auto",
    doc = "Whether the command line does a little of `gc` by itself, once a day, after a run has ended.",
    type = "boolean",
    default = true,
  },
  {
    key = "artifact.hot_days",
    doc = "Artifacts of runs younger than this are left alone by `artifact gc`.",
    type = "integer",
    unit = "days",
    default = 7,
    min = 0,
  },
  {
    key = "artifact.archive_days",
    doc = "Artifacts older than this are compressed harder by `artifact gc`.",
    type = "integer",
    unit = "days",
    default = 30,
    min = 0,
  },
  {
    key = "artifact.max_mib",
    doc = "Above this size `artifact gc` deletes the oldest artifacts that nothing protects; 0 is no limit.",
    type = "integer",
    unit = "MiB",
    default = 0,
    min = 0,
  },
  {
    key = "cache.keep_days",
    doc = "Results that no run has used for this long are dropped by `artifact gc`; 0 keeps them.",
    type = "integer",
    unit = "days",
    default = 30,
    min = 0,
  },
  {
    key = "cache.max_mib",
    doc = "Above this size `artifact gc` drops the results least recently used; 0 is no limit.",
    type = "integer",
    unit = "MiB",
    default = 1024,
    min = 0,
  },
}
