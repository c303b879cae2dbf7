--- What a storm may leave behind: `require "storm_check".effects(storm, tag, asked)` after a round, `.all(storm)` after
--- all of them.
local assert = require "luassert"
local company = require "storm_company"
local core = require "sy.core"
local json = require "sy.json"
local storm_project = require "storm_project"
local support = require "support"

local M = {}

--- What the effects of a round have left.
---@param name "effects"|"inner"|"walk"
function M.left(storm, name, tag)
  return support.read_file(("%s/%s.%d"):format(storm.dir, name, tag)) or ""
end

local function times(text, word) return select(2, text:gsub(word .. "\n", "")) end

--- Each effect happened, and no more often than it was asked for.
function M.effects(storm, tag, asked)
  local outer, inner, walk = M.left(storm, "effects", tag), M.left(storm, "inner", tag), M.left(storm, "walk", tag)
  local counts = { times(outer, "done"), times(inner, "%f[%a]done"), times(inner, "undone"),
    times(walk, "%d+ %d+%.?%d*") }
  local repeats = -#counts
  for _, n in ipairs(counts) do repeats = repeats + n end
  assert(math.min(table.unpack(counts)) >= 1 and repeats <= asked,
    ("effects: %s times; %d of them asked for again"):format(table.concat(counts, ", "), asked))
  assert(inner:match "undone\n$", "what failed is not undone at last")
  local chance = walk:match "^[^\n]+"
  for line in walk:gmatch "[^\n]+" do assert.equal(chance, line) end -- replayed, not thrown again
end

--- Every run that is there is all there.
local function runs(storm)
  local list = storm:list()
  assert.equal(storm.done, list[1] and list[1].number or 0)
  for i, run in ipairs(list) do
    assert.equal("completed", run.status)
    if not storm.crowded then assert.equal(storm.done - i + 1, run.number) end
    if storm.crowded then
      local number = tostring(run.number)
      assert.same(storm.outputs, storm.plain(json.decode(storm:symphony(0, "show", number, "--json").out).outputs))
      company.check_stream(storm, number,
        storm:symphony(0, "logs", number, company.TALK, "--stream", "tokens", "--json").out)
    end
  end
  for i = 1, math.min(company.KEEP, storm.done - storm.first + 1) do
    assert.equal(storm.done - i + 1, list[i] and list[i].number)
  end
end

--- An exported file is whole, or it is not there.
local function exports(storm)
  for i = 1, storm.exports do
    local file = ("run.%d.zst"):format(i)
    if support.exists(storm.dir .. "/" .. file) then storm:symphony(0, "import", file, "--dry-run", "--json") end
  end
end

local OF_RUNS = { "task", "event", "artifact", "control", "run_span" }

local function rows(storm)
  local host = assert(core.open { project = storm.dir })
  local function first(sql) return select(2, next(host:query(sql, {})[1])) end
  assert.equal("ok", first "PRAGMA integrity_check")
  assert.same({}, host:query("PRAGMA foreign_key_check", {}))
  assert.same({}, host:query([[SELECT key, operation, task_status, pipeline_orchestration_id AS run FROM task
    WHERE task_status IN ('dispatched', 'executing') AND pipeline_orchestration_id IS NOT NULL]], {}))
  assert.equal(0, first "SELECT count(*) FROM pipeline_orchestration WHERE status <> 'completed'")
  assert.equal(0, first "SELECT count(*) FROM run_span WHERE removing_at IS NOT NULL")
  for _, name in ipairs(OF_RUNS) do
    assert.equal(0, first(("SELECT count(*) FROM %s WHERE pipeline_orchestration_id NOT IN "
      .. "(SELECT id FROM pipeline_orchestration)"):format(name)), name)
  end
  if not storm.crowded then
    assert.equal(0, first "SELECT count(*) - max(seq) FROM event")
    assert.equal(1, first "SELECT min(seq) FROM event")
  end
  host:close()
end

--- Written files, artifacts, rows and events, after all rounds.
function M.all(storm)
  for i = 1, storm_project.FILES do assert.is_truthy(support.read_file(("%s/out/%d.txt"):format(storm.dir, i))) end
  if storm.crowded then assert.equal(0, json.decode(storm:symphony(0, "gc", "--json").out).left) end
  assert.same({}, json.decode(storm:symphony(0, "artifact", "verify", "--json").out).damaged)
  runs(storm)
  exports(storm)
  rows(storm)
end

return M
