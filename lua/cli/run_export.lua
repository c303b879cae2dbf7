--- Writes a run into one file, from which `import` makes it again elsewhere. The same run gives the same bytes.
local document = require "cli.output.document"
local hash = require "sy.hash"
local json = require "sy.json"
local pack = require "sy.pack"
local problem = require "kit.problem"
local registry = require "kit.registry"
local select = require "cli.select"
local system = require "sy.system"
local transfer = require "kit.transfer"

local M = {}

local PAGE = 1000
local PIECES = 64 -- of a stream, each of up to 64 KiB

local QUERIES = {
  task = "SELECT * FROM task WHERE pipeline_orchestration_id = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
  event = [[SELECT * FROM event
WHERE seq > coalesce(?2, (SELECT first_seq FROM run_span WHERE pipeline_orchestration_id = ?1), -1)
  AND seq <= (SELECT coalesce(max(last_seq), 1 << 62) FROM run_span WHERE pipeline_orchestration_id = ?1)
  AND pipeline_orchestration_id = ?1 ORDER BY seq LIMIT ?3]],
  artifact = [[SELECT * FROM artifact WHERE pipeline_orchestration_id = ?1 AND (?2 IS NULL OR id > ?2)
ORDER BY id LIMIT ?3]],
}

local CURSORS = { task = "key", event = "seq", artifact = "id" }

--- Rows that belong to those of a page, by their ids.
local BESIDE = {
  task = { "pit_operation", [[SELECT o.* FROM json_each(?1) j JOIN pit_operation o ON o.task_id = j.value
ORDER BY o.id]] },
  artifact = { "event_artifact", [[SELECT a.* FROM json_each(?1) j JOIN event_artifact a ON a.artifact_id = j.value
JOIN event e ON e.id = a.event_id JOIN artifact f ON f.id = a.artifact_id
WHERE e.pipeline_orchestration_id = f.pipeline_orchestration_id ORDER BY a.artifact_id, a.event_id]] },
}

local OPERATIONS_OF_ARTIFACTS = [[
SELECT a.* FROM json_each(?1) j JOIN artifact_pit_operation a ON a.artifact_id = j.value
JOIN pit_operation o ON o.id = a.pit_operation_id JOIN task t ON t.id = o.task_id
JOIN artifact f ON f.id = a.artifact_id WHERE t.pipeline_orchestration_id = f.pipeline_orchestration_id
ORDER BY a.artifact_id, a.pit_operation_id]]

local STREAMING = [[SELECT j.value AS id FROM json_each(?1) j
WHERE EXISTS (SELECT 1 FROM task_stream s WHERE s.task_id = j.value)]]

local STREAMED = [[SELECT * FROM task_stream WHERE task_id = ?1 AND (kind, position) > (?2, ?3)
ORDER BY kind, position LIMIT ?4]]

-- ---- the file ----

local Out = {}
Out.__index = Out

--- What a call gave; a failure is raised as a problem, which `write` catches.
local function sure(ok, message, code)
  if not ok then error(problem.from(message, code), 0) end
  return ok
end

function Out:add(name, bytes)
  sure(self.file:add(name, bytes))
  self.sums[#self.sums + 1] = { name = name, size = #bytes, hash = "sha256:" .. hash.sha256(bytes) }
end

function Out:note(row)
  for _, value in pairs(row) do
    transfer.hashes(value, function(found) self.hashes[found] = true end)
  end
end

function Out:flush(kind)
  local chunk = self.chunks[kind]
  if not chunk or #chunk == 0 then return end
  self.numbers[kind] = (self.numbers[kind] or 0) + 1
  self:add(("%s/%06d.json"):format(kind, self.numbers[kind]), "[" .. table.concat(chunk, ",\n") .. "]\n")
  self.chunks[kind] = nil
end

function Out:row(kind, row)
  local chunk = self.chunks[kind] or { bytes = 0 }
  self.chunks[kind] = chunk
  local text = json.encode(row)
  chunk[#chunk + 1], chunk.bytes = text, chunk.bytes + #text
  self.counts[kind] = (self.counts[kind] or 0) + 1
  self:note(row)
  if #chunk >= transfer.CHUNK_ROWS or chunk.bytes >= transfer.CHUNK_BYTES then self:flush(kind) end
end

-- ---- rows ----

local function ids_of(rows)
  local ids = json.array {}
  for i, row in ipairs(rows) do ids[i] = row.id end
  return json.encode(ids)
end

--- What tasks streamed, a few pieces at a time.
function Out:streams(tasks)
  for _, task in ipairs(sure(self.host:query(STREAMING, { ids_of(tasks) }))) do
    local kind, position = "", -1
    repeat
      local pieces = sure(self.host:query(STREAMED, { task.id, kind, position, PIECES }))
      for _, piece in ipairs(pieces) do
        kind, position = piece.kind, piece.position
        piece.data = hash.base64(piece.data)
        self:row("task_stream", piece)
      end
    until #pieces < PIECES
  end
end

function Out:beside(kind, rows)
  if kind == "task" then self:streams(rows) end
  local beside = BESIDE[kind]
  if not beside then return end
  for _, row in ipairs(self.host:query(beside[2], { ids_of(rows) })) do self:row(beside[1], row) end
  if kind ~= "artifact" then return end
  for _, row in ipairs(self.host:query(OPERATIONS_OF_ARTIFACTS, { ids_of(rows) })) do
    self:row("artifact_pit_operation", row)
  end
end

function Out:table(kind, run)
  local at
  while true do
    local rows = sure(self.host:query(QUERIES[kind], { run.id, at, PAGE }))
    for _, row in ipairs(rows) do self:row(kind, row) end
    self:beside(kind, rows)
    if #rows < PAGE then break end
    at = rows[#rows][CURSORS[kind]]
  end
  self:flush(kind)
end

function Out:rows(run)
  for _, kind in ipairs { "task", "event", "artifact" } do self:table(kind, run) end
  for _, one in ipairs(transfer.TABLES) do self:flush(one.name) end
end

-- ---- what the run stands on ----

local VERSIONS = [[
SELECT v.id AS version_id, v.version, v.code_hash, v.manifest, e.id, e.name, e.extension_type AS type, e.source
FROM extension_version v JOIN extension e ON e.id = v.extension_id
WHERE v.id IN (SELECT t.extension_version_id FROM task t WHERE t.pipeline_orchestration_id = ?1)
  OR v.id IN (SELECT j.value FROM json_each(?2) j) ORDER BY e.name, v.id]]

local function pinned_versions(run)
  local options = json.decode(run.options)
  local list = json.array {}
  for _, id in pairs(type(options) == "table" and type(options.code) == "table" and options.code or {}) do
    if type(id) == "string" then list[#list + 1] = id end
  end
  return json.encode(list)
end

--- The files of an extension that is no part of Symphony, if they are still the ones the run called.
function Out:code(found, version)
  if version.source == "bundled" or version.code_hash == "builtin" then return json.array {} end
  local entry = found:extension(version.name)
  if not entry or entry.code_hash ~= version.code_hash then return json.array {} end
  local names = json.array {}
  for name in pairs(entry.sources) do names[#names + 1] = name end
  table.sort(names)
  local folder = ("code/%s/"):format(version.name)
  for _, name in ipairs(names) do self:add(folder .. name, entry.sources[name]) end
  self:add(folder .. "Symphony.toml", entry.text)
  names[#names + 1] = "Symphony.toml"
  return names
end

function Out:extensions(place, run)
  local found, list = registry.new(place), json.array {}
  for i, version in ipairs(self.host:query(VERSIONS, { run.id, pinned_versions(run) })) do
    version.files = self:code(found, version)
    list[i] = version
  end
  self:add("extensions.json", json.encode(list) .. "\n")
end

function Out:melody(run)
  local row = self.host:query([[
SELECT m.id, m.name, m.creation_source, m.source, v.hash, v.created_at, v.definition FROM melody m
JOIN melody_version v ON v.melody_id = m.id AND v.hash = ?2 WHERE m.id = ?1]], { run.melody_id, run.melody_hash })[1]
  if not row then return end
  self:add("melody.json", json.encode(row) .. "\n")
  self:note(row)
end

function Out:manifest(run, name)
  local status = document.status(self.host, run)
  self:add("manifest.json", json.encode {
    format = transfer.FORMAT, kind = transfer.KIND, symphony = system.version,
    run = { run = run.id, number = run.number, melody = name, melody_hash = run.melody_hash,
            status = status, started_at = run.started_at or json.null, completed_at = run.completed_at or json.null },
  } .. "\n")
end

--- Contents that rows name; one that retention has deleted is left out.
function Out:blobs()
  local list = {}
  for found in pairs(self.hashes) do list[#list + 1] = found end
  table.sort(list)
  for _, found in ipairs(list) do
    local row = self.host:query("SELECT size FROM blob WHERE hash = ?1 AND state <> 'deleted'", { found })[1]
    if row then
      local name = "blobs/" .. found:sub(8)
      sure(self.file:add_artifact(self.host, name, found))
      self.sums[#self.sums + 1] = { name = name, size = row.size, hash = found }
      self.counts.blob = (self.counts.blob or 0) + 1
    end
  end
end

local function write_all(out, place, run, name)
  out:manifest(run, name)
  out:add("run.json", json.encode(run) .. "\n")
  out:note(run)
  out:melody(run)
  out:extensions(place, run)
  out:rows(run)
  out:blobs()
  local gone = select.gone(out.host, run) -- it was all there while it was read, or there is no file
  if gone then error(gone, 0) end
  local sums = json.encode { files = json.array(out.sums) } .. "\n"
  sure(out.file:add("sums.json", sums))
end

--- Writes a run to a new file, or to stdout.
---@param host table
---@param place Place
---@param run table a row as cli.select.run gives it; nobody executes it
---@param path? string
---@return table? counts { task, event, artifact, blob }
---@return Problem?
function M.write(host, place, run, path)
  local file, message, code = pack.create(path)
  if not file then return nil, problem.from(message, code) end
  local row = {}
  for name, value in pairs(run) do
    if name ~= "melody_name" then row[name] = value end
  end
  local out = setmetatable({ host = host, file = file, sums = {}, hashes = {}, chunks = {}, numbers = {}, counts = {} },
    Out)
  local fine, why = pcall(write_all, out, place, row, document.name(run))
  local closed, unclosed, closed_code = file:close()
  if not fine then return nil, problem.from(why) end
  if not closed then return nil, problem.from(unclosed, closed_code) end
  return out.counts
end

return M
