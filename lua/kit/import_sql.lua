--- The statements that make a run out of what was read and put aside: its own row, and the rows of each table.
local json = require "sy.json"
local null = require "kit.null"
local transfer = require "kit.transfer"

local present = null.present

local M = {}

local SPECIAL = {
  event = { seq = "(SELECT coalesce(max(seq), 0) FROM event) + row_number() OVER (ORDER BY r.value ->> 'seq')" },
}

-- Where a row hangs at a task, the task has to be one of this run. It is looked up by its id: hence `CROSS` and `+`.
local HANGS = {
  event = "CROSS JOIN task k ON k.id = r.value ->> 'task_id' AND +k.pipeline_orchestration_id = ?1",
  artifact = "CROSS JOIN task k ON k.id = r.value ->> 'task_id' AND +k.pipeline_orchestration_id = ?1",
  pit_operation = "CROSS JOIN task k ON k.id = r.value ->> 'task_id' AND +k.pipeline_orchestration_id = ?1",
  task_stream = "CROSS JOIN task k ON k.id = r.value ->> 'task_id' AND +k.pipeline_orchestration_id = ?1",
  event_artifact = "CROSS JOIN artifact k ON k.id = r.value ->> 'artifact_id' AND +k.pipeline_orchestration_id = ?1",
  artifact_pit_operation =
    "CROSS JOIN artifact k ON k.id = r.value ->> 'artifact_id' AND +k.pipeline_orchestration_id = ?1",
}

--- `INSERT` of all staged rows of a table; what a row leaves out has its column's default.
---@param host table
---@param one TransferTable
---@return string
function M.rows(host, one)
  local columns, names = transfer.columns(host, one.name)
  local values = {}
  for i, name in ipairs(names) do
    local default = columns[name].default
    local value = ("r.value ->> '%s'"):format(name)
    if present(default) then value = ("coalesce(%s, %s)"):format(value, default) end
    if name == one.bytes then value = "r.bytes" end
    values[i] = SPECIAL[one.name] and SPECIAL[one.name][name] or value
  end
  local from = one.bytes and "temp.import_bytes r" or "temp.import_chunk c JOIN json_each(c.content) r"
  return ("INSERT INTO %s (%s) SELECT %s FROM %s %s WHERE %s = '%s' AND ?1 IS NOT NULL"):format(one.name,
    table.concat(names, ", "), table.concat(values, ", "), from, HANGS[one.name] or "",
    one.bytes and "r.kind" or "c.kind", one.name)
end

local ENDED = { completed = true, failed = true, cancelled = true }

--- The run's options, with the versions of code as they are called here and where the run comes from.
local function options_of(here, run)
  local options = json.decode(run.options)
  local code = {}
  for name, version in pairs(type(options.code) == "table" and options.code or {}) do
    code[name] = here.version[version] or version
  end
  if next(code) then options.code = code end
  options.imported = { run = run.id, number = run.number, at = here.now }
  return json.encode(options)
end

local function run_row(here, parcel)
  local row = {}
  for name, value in pairs(parcel.run) do row[name] = name:match "_id$" and json.null or value end
  local run = parcel.run
  row.id, row.conductor_id, row.project_id, row.melody_id = here.run, here.conductor, here.project,
    here.melody or json.null
  row.owner_host, row.number = json.null, nil
  row.root_task_id = here.id(run.root_task_id)
  row.status = (ENDED[run.status] or run.status == "waiting") and run.status or "paused"
  row.options = options_of(here, run)
  local forked = present(run.forked_from) and here.host:query("SELECT id FROM pipeline_orchestration WHERE id = ?1",
    { run.forked_from })[1]
  row.forked_from = forked and forked.id or json.null
  return row
end

--- `INSERT` of the run itself, with the next number, and its parameters.
---@param here table what things are called here
---@param parcel Parcel
---@return table step
function M.run(here, parcel)
  local columns, names, values, params = run_row(here, parcel), {}, {}, {}
  local known = transfer.columns(here.host, "pipeline_orchestration")
  for name, value in pairs(columns) do
    if known[name] then
      names[#names + 1], params[#params + 1] = name, value
      values[#values + 1] = "?" .. #params
    end
  end
  return { ("INSERT INTO pipeline_orchestration (%s, number) VALUES (%s, (SELECT coalesce(max(number), 0) + 1"
    .. " FROM pipeline_orchestration))"):format(table.concat(names, ", "), table.concat(values, ", ")), params }
end

return M
