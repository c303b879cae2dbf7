--- What a run consists of when it is moved: the tables with its rows, how they refer to each other, and how the file
--- that holds them is laid out. One list for both ways; a further table of a run is a further entry.
---
---   manifest.json      what this is: format, program, the run
---   run.json           its row                    melody.json      the melody it pinned
---   extensions.json    what it called, by version; code/NAME/… the files of those that are no part of Symphony
---   KIND/000001.json   rows, some thousand in each
---   blobs/HEX          contents of artifacts and large values, named by their SHA-256
---   sums.json          name, size and hash of each of the above
local M = {}

M.FORMAT = 1
M.KIND = "run"

--- Limits of what is read: a file comes from anywhere.
M.LIMITS = { entries = 200000, entry_bytes = 16 << 30, total_bytes = 64 << 30 }
M.MAX_JSON = 32 << 20
M.MAX_CODE = 1 << 20
M.MAX_KEY = 400

--- Rows of one chunk.
M.CHUNK_ROWS = 2000
M.CHUNK_BYTES = 4 << 20

---@class TransferTable
---@field name string of the table, and of its folder in the file
---@field json string[] columns that hold JSON
---@field refs table<string, string> column → what it refers to: task, event, artifact, pit_operation, run, extension,
--- version, melody, conductor, kit; references are mapped to what is here, `nothing` is left out
---@field bytes string? the column that is a BLOB: base64 in the file

--- In the order in which they are written.
---@type TransferTable[]
M.TABLES = {
  {
    name = "task",
    json = { "task_payload", "execution_context", "output", "error" },
    refs = { conductor_id = "conductor", extension_id = "extension", melody_id = "melody", orchestra_kit_id = "kit",
             pipeline_orchestration_id = "run", parent_task_id = "task", extension_version_id = "version" },
  },
  {
    name = "event",
    json = { "event_payload", "event_context" },
    refs = { task_id = "task", extension_id = "extension", pipeline_orchestration_id = "run" },
  },
  {
    name = "artifact",
    json = { "metadata", "quality_metrics" },
    refs = { event_id = "event", extension_id = "extension", melody_id = "melody", task_id = "task",
             pipeline_orchestration_id = "run" },
  },
  { name = "event_artifact", json = {}, refs = { artifact_id = "artifact", event_id = "event" } },
  { name = "task_stream", json = {}, refs = { task_id = "task" }, bytes = "data" },
  { name = "pit_operation", json = { "operation_context", "resource_allocations" }, refs = { task_id = "task" } },
  {
    name = "artifact_pit_operation",
    json = {},
    refs = { artifact_id = "artifact", pit_operation_id = "pit_operation" },
  },
}

--- Columns of the run's own row that hold JSON.
M.RUN_JSON = { "error", "params", "options", "outputs", "execution_sequence", "task_dag" }

--- The columns of a table in this database: name → { type, notnull, default }.
---@param host table
---@param name string
---@return table<string, { type: string, notnull: boolean, default: any }> columns
---@return string[] names in their order
function M.columns(host, name)
  local columns, names = {}, {}
  for i, row in ipairs(host:query([[SELECT name, type, "notnull" AS required, dflt_value FROM pragma_table_info(?1)]],
    { name })) do
    columns[row.name] = { type = row.type, notnull = row.required == 1, default = row.dflt_value }
    names[i] = row.name
  end
  return columns, names
end

--- Calls `fn` with each hash of a content that a text names.
---@param text any
---@param fn fun(hash: string)
function M.hashes(text, fn)
  if type(text) ~= "string" then return end
  for digits in text:gmatch "sha256:(%x+)" do
    if #digits == 64 then fn("sha256:" .. digits:lower()) end
  end
end

return M
