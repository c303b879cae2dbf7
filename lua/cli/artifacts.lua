--- Artifacts as commands see them: finding what is meant, saying what is known of one, tasks that work on content.
local chore = require "kit.chore"
local json = require "sy.json"
local null = require "kit.null"
local problem = require "kit.problem"
local quality = require "kit.quality"
local text = require "cli.output.text"

local M = {}

local MIN_HASH = 6

local FIND = [[
SELECT a.id, a.content_hash AS hash, a.artifact_type AS type, t.key AS task, a.pipeline_orchestration_id AS run,
       a.size, a.created_at, a.metadata, p.content_hash IS NOT NULL AS pinned
FROM artifact a JOIN task t ON t.id = a.task_id LEFT JOIN pin p ON p.content_hash = a.content_hash ]]

--- Finds an artifact by id, hash, or the beginning of a hash or ending of an id.
---@param host table
---@param typed string
---@return table? row
---@return Problem?
function M.find(host, typed)
  local hash = typed:match("^sha256:(%x+)$") or typed:match("^(%x+)$")
  local rows = host:query(FIND .. "WHERE a.id = ?1 OR a.content_hash = ?1 ORDER BY a.created_at LIMIT 1", { typed })
  if #rows == 0 and hash and #hash >= MIN_HASH then
    rows = host:query(FIND .. "WHERE ?1 IN (substr(a.content_hash, 8, ?2), substr(a.id, -?2)) ORDER BY 7",
      { hash:lower(), #hash })
  end
  for _, row in ipairs(rows) do
    if row.hash ~= rows[1].hash then
      return problem.fail("usage", ("several artifacts begin with `%s`"):format(typed),
        { hint = "give more of the hash" })
    end
  end
  if rows[1] then return rows[1] end
  return problem.fail("not_found", ("there is no artifact `%s`"):format(typed),
    { hint = "symphony artifact ls   lists them" })
end

--- Every artifact, the latest first.
---@param host table
---@return table[] rows
function M.all(host)
  return host:query(FIND .. "ORDER BY a.created_at DESC, a.id DESC", {})
end

--- What documents say of one.
---@param row table
---@return table
function M.entry(row)
  return {
    id = row.id, hash = row.hash, type = row.type, task = row.task, run = null.of(row.run), size = row.size,
    created_at = row.created_at, pinned = row.pinned == 1 or row.pinned == true,
  }
end

--- What people call an artifact: the name it was given, else its type.
---@param row table
---@return string
function M.called(row)
  local metadata = json.decode(row.metadata)
  local name = type(metadata) == "table" and (metadata.filename or metadata.name)
  return type(name) == "string" and text.clean(name) or row.type
end

--- A task of the host that works on artifacts.
---@param host table
---@param payload table
---@param work fun(): any, Problem?
---@return any
---@return Problem?
function M.processing(host, payload, work)
  return chore.run(host, { type = "artifact_processing", operation = "host.artifacts", payload = payload }, work)
end

--- Reads all content and compares; every artifact with it is judged.
---@param host table
---@param rows table[] with `hash`
---@return { verified: integer, damaged: table[] }?
---@return Problem?
function M.verify_all(host, rows)
  local bad, verdicts = json.array {}, {}
  for i, row in ipairs(rows) do
    local fine, failure, code = host:artifact_verify(row.hash)
    if not fine then
      local found = problem.from(failure, code)
      bad[#bad + 1] = { hash = row.hash, code = found.code, message = found.message }
    end
    verdicts[i] = { hash = row.hash, verdict = fine and "intact" or "damaged", value = fine and 1 or 0 }
  end
  local judged, why = quality.judge(host, "verify", verdicts)
  if not judged then return nil, why end
  return { verified = #rows - #bad, damaged = bad }
end

return M
