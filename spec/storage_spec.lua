--- Storage that does not grow for ever: what `symphony gc` removes and what it leaves, also when it is killed, when two
--- do it at once, or while a run lives.
local aged = require "aged"
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

local RUNS = 12

local MELODY = [[
local m = require "melody" "notes"
local text = m:param("text", { type = "string", default = "one" })
local say = m:each("say", { "a", "b", "c" }, "process.run", function(item) return { argv = { "echo", item } } end)
local report = m:task("report", "report.write", { title = "Notes", notes = text }, { after = { "say" } })
m:output("report", report)
return m
]]

local WAITING = [[
local m = require "melody" "waiting"
m:task("first", "process.run", { argv = { "echo", "x" } })
m:task("slow", "process.run", { argv = { "sh", "-c", "touch started; while [ ! -e go ]; do :; done" } })
return m
]]

local KEEP = { SYMPHONY_RUNS_KEEP = "2", SYMPHONY_GC_AUTO = "false" }

local dir

local function symphony(words, env)
  local r = support.symphony(words, { cwd = dir, env = env or KEEP, timeout_s = 120 })
  assert.equal(0, r.code, table.concat(words, " ") .. "\n" .. r.out .. r.err)
  return r.out
end

local function document(words, env)
  table.insert(words, "--json")
  return json.decode(symphony(words, env))
end

--- Looks into the database or changes it, as no user would, through a host of this process.
local function database(work)
  local host = assert(require("sy.core").open { project = dir, user_dir = dir .. "/user" })
  local ok, result = pcall(work, host)
  host:close()
  return assert(ok and { result } or nil, result)[1]
end

local function count(what)
  return database(function(host) return assert(host:query("SELECT count(*) AS n FROM " .. what, {}))[1].n end)
end

--- Everything that has ended did so in 2020.
local function age() aged(dir) end

local function numbers()
  local list = {}
  for i, run in ipairs(document({ "runs" }).runs) do list[i] = run.number end
  return list
end

--- Pages and references are in order, and nothing is left of runs that are gone.
local function sound()
  database(function(host)
    assert.same({ { integrity_check = "ok" } }, host:query("PRAGMA integrity_check", {}))
    assert.same({}, host:query("PRAGMA foreign_key_check", {}))
    for _, name in ipairs { "task", "event", "artifact", "control", "run_span" } do
      assert.same({}, host:query(("SELECT 1 FROM %s WHERE pipeline_orchestration_id NOT IN "
        .. "(SELECT id FROM pipeline_orchestration)"):format(name), {}), name)
    end
  end)
end

local function run(n)
  for i = 1, n do symphony { "run", "notes", "--quiet", "-p", "text=number " .. i } end
end

local function project()
  dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/notes.lua", MELODY)
  support.write_file(dir .. "/melodies/waiting.lua", WAITING)
  symphony { "init" }
  symphony { "trust" }
end

describe("gc", function()
  before_each(project)

  it("removes nothing that is young", function()
    run(4)
    local report = document { "gc" }
    assert.equal(0, report.runs)
    assert.same({ 4, 3, 2, 1 }, numbers())
  end)

  it("removes old runs beyond the newest, with all that is theirs, and their numbers are not used again", function()
    run(RUNS)
    age()
    local before = { task = count "task", event = count "event" }
    local totals = database(function(host)
      return host:query("SELECT execution_history ->> '$.totals.completed' AS n FROM melody WHERE name = 'notes'", {})[1].n
    end)
    local told = document { "gc", "--dry-run" }
    assert.equal(RUNS - 2, told.runs)
    assert.equal(RUNS, #numbers())
    assert.equal(before.event, count "event")
    local report = document { "gc" }
    assert.equal(RUNS - 2, report.runs)
    assert.equal(0, report.left)
    for _, name in ipairs { "tasks", "events", "artifacts" } do
      assert.is_true(report.rows[name] > 0, name)
      assert.equal(told.rows[name], report.rows[name], name)
    end
    assert.is_true(report.rows.sessions > 0)
    assert.is_true(report.contents.orphans > 0)
    assert.is_true(report.files >= RUNS - 2)
    assert.same({ RUNS, RUNS - 1 }, numbers())
    assert.is_nil(paths.stat(dir .. "/.symphony/out/1"))
    assert.truthy(paths.stat(dir .. "/.symphony/out/" .. RUNS))
    assert.is_true(count "task" < before.task / 3)
    sound()
    run(1)
    assert.same({ RUNS + 1, RUNS, RUNS - 1 }, numbers())
    assert.equal(totals + 1, database(function(host)
      return host:query("SELECT execution_history ->> '$.totals.completed' AS n FROM melody WHERE name = 'notes'", {})[1].n
    end))
    local shown = document { "show", tostring(RUNS) }
    assert.equal("completed", shown.status)
    symphony { "artifact", "verify" }
  end)

  it("leaves runs with a pinned artifact, and those from which others were forked that stay", function()
    run(6)
    symphony { "fork", "2", "--from", "report", "-p", "text=again", "--quiet" }
    local hash = document({ "show", "4" }).outputs.report.html["$artifact"]
    symphony { "artifact", "pin", hash }
    age()
    assert.equal(3, document({ "gc" }).runs)
    assert.same({ 7, 6, 4, 2 }, numbers())
    sound()
    symphony { "artifact", "unpin", hash }
    assert.equal(1, document({ "gc" }).runs)
    assert.same({ 7, 6, 2 }, numbers())
  end)

  it("leaves runs that have not ended, and goes on beside one that lives", function()
    run(5)
    local living = support.start_symphony({ "run", "waiting", "--quiet" }, { cwd = dir, env = KEEP })
    support.wait_until(function() return paths.stat(dir .. "/started") end, 60)
    age()
    assert.equal(3, document({ "gc" }).runs)
    support.write_file(dir .. "/go", "")
    assert.equal(0, living:wait(60).code)
    assert.same({ 6, 5, 4 }, numbers())
    sound()
  end)

  it("removes the oldest when the store is too large, and none that has to stay", function()
    local retention_size = require "kit.retention_size"
    support.write_file(dir .. "/melodies/notes.lua", (MELODY:gsub('"echo", item', '"sh", "-c", "yes " .. item .. " | head -c 200000"')))
    local living = support.start_symphony({ "run", "waiting", "--quiet" }, { cwd = dir, env = KEEP })
    support.wait_until(function() return paths.stat(dir .. "/started") end, 60)
    run(6)
    symphony { "fork", "3", "--from", "report", "-p", "text=again", "--quiet" }
    symphony { "artifact", "pin", document({ "show", "4" }).outputs.report.html["$artifact"] }
    local used = database(retention_size.used)
    local function beyond(most)
      return database(function(host)
        local may_go, gone = {}, {}
        for _, row in ipairs(host:query("SELECT id, number FROM pipeline_orchestration", {})) do
          may_go[row.id] = row.number ~= 1 and row.number ~= 4
        end
        retention_size.beyond(host, most, may_go, gone)
        local list = {}
        for _, row in ipairs(host:query("SELECT id, number FROM pipeline_orchestration ORDER BY number", {})) do
          if gone[row.id] then list[#list + 1] = row.number end
        end
        return list
      end)
    end
    assert.same({}, beyond(used))
    assert.same({ 2 }, beyond(used - 1))
    local before = 0
    for most = used, 0, -(used // 20) do -- a smaller limit removes the same and more
      local gone = beyond(most)
      assert.is_true(#gone >= before)
      before = #gone
    end
    assert.same({ 2, 5, 6, 7 }, beyond(0)) -- 8 is the latest, 3 its origin
    local env = { SYMPHONY_RUNS_MAX_MIB = "1", SYMPHONY_GC_AUTO = "false" }
    local told = document({ "gc", "--dry-run" }, env)
    assert.equal(told.runs, document({ "gc" }, env).runs)
    support.write_file(dir .. "/go", "")
    assert.equal(0, living:wait(60).code)
    sound()
  end)

  it("keeps everything for ever when told to", function()
    run(3)
    age()
    local env = { SYMPHONY_RUNS_KEEP = "1", SYMPHONY_RUNS_KEEP_DAYS = "0" }
    assert.equal(0, document({ "gc" }, env).runs)
    assert.equal(3, #numbers())
  end)

  it("refuses what it cannot do at once", function()
    run(1)
    local r = support.symphony({ "gc", "--dry-run", "--compact", "--json" }, { cwd = dir })
    assert.equal(2, r.code)
    assert.equal("usage", json.decode(r.out).error.code)
    r = support.symphony({ "gc", "--json" }, { cwd = dir, env = { SYMPHONY_RUNS_KEEP = "0" } })
    assert.equal(2, r.code)
  end)
end)

describe("gc that does not get to its end", function()
  it("leaves a sound database wherever it is killed, and the next one finishes", function()
    project()
    run(RUNS)
    age()
    for _, steps in ipairs { 1, 2, 3 } do
      local gc = support.start_symphony({ "gc" }, { cwd = dir, env = KEEP })
      support.wait_until(function() return count "run_span WHERE removing_at IS NOT NULL" > 0 or gc:wait(0) end, 60)
      gc:kill("KILL", true)
      gc:wait(10)
      sound()
      if steps == 3 then document { "gc" } end
    end
    assert.same({ RUNS, RUNS - 1 }, numbers())
    assert.equal(0, count "run_span WHERE removing_at IS NOT NULL")
    sound()
  end)

  it("stops in time, and what it began can only be finished", function()
    project()
    run(6)
    age()
    database(function(host)
      local ids = {}
      for i, row in ipairs(host:query("SELECT id FROM pipeline_orchestration WHERE number <= 4 ORDER BY number DESC", {})) do
        ids[i] = row.id
      end
      assert(host:write("UPDATE run_span SET removing_at = 'now', last_seq = 1000000 WHERE pipeline_orchestration_id = ?1",
        { ids[1] }))
      local _, why = host:write("UPDATE pipeline_orchestration SET owner_epoch = owner_epoch + 1 WHERE id = ?1", { ids[1] })
      assert.matches("being removed", why.message, 1, true)
    end)
    local r = support.symphony({ "fork", "4", "--from", "report", "--json" }, { cwd = dir, env = KEEP })
    assert.not_equal(0, r.code)
    assert.matches("being removed", r.out, 1, true)
    document { "gc" }
    assert.same({ 6, 5 }, numbers())
    sound()
  end)

  it("leaves nobody with half a run: what is being removed is not shown, and not exported", function()
    project()
    run(4)
    age()
    database(function(host)
      local id = host:query("SELECT id FROM pipeline_orchestration WHERE number = 2", {})[1].id
      assert(host:write("UPDATE run_span SET removing_at = 'now', last_seq = 1000000 WHERE pipeline_orchestration_id = ?1",
        { id }))
    end)
    assert.same({ 4, 3, 1 }, numbers())
    for _, words in ipairs {
      { "show", "2" }, { "logs", "2" }, { "why", "2", "report" }, { "trace", "2" }, { "diff", "1", "2" },
      { "export", "2", "--output", "two.zst" }, { "resume", "2" },
    } do
      local r = support.symphony(words, { cwd = dir, env = KEEP })
      assert.equal(4, r.code, table.concat(words, " ") .. r.out)
      assert.equal("", r.out)
      assert.matches("run #2 is being removed", r.err, 1, true)
    end
    assert.is_nil(paths.stat(dir .. "/two.zst"))
    document { "gc" }
    assert.same({ 4, 3 }, numbers())
    sound()
  end)

  it("may be two at once", function()
    project()
    run(RUNS)
    age()
    local one = support.start_symphony({ "gc" }, { cwd = dir, env = KEEP })
    local other = support.start_symphony({ "gc" }, { cwd = dir, env = KEEP })
    local a, b = one:wait(60), other:wait(60)
    assert.equal(0, a.code, a.err)
    assert.equal(0, b.code, b.err)
    assert.same({ RUNS, RUNS - 1 }, numbers())
    sound()
  end)
end)

describe("a run", function()
  it("cleans up by itself once a day", function()
    project()
    run(5)
    age()
    local env = { SYMPHONY_RUNS_KEEP = "2" }
    symphony({ "run", "notes", "--quiet" }, env)
    support.wait_until(function()
      if #numbers() == 2 then return true end
      symphony({ "run", "notes", "--quiet" }, env)
    end, 60)
    local chores = count "task WHERE operation = 'host.storage'"
    symphony({ "run", "notes", "--quiet" }, env)
    assert.equal(chores, count "task WHERE operation = 'host.storage'")
    sound()
  end)
end)

describe("the database", function()
  before_each(project)

  it("gives free space back to the file system", function()
    run(1)
    database(function(host)
      assert.same({ { auto_vacuum = 2 } }, host:query("PRAGMA auto_vacuum", {}))
      assert(host:transaction {
        { "CREATE TABLE filler (x)", {} },
        { "INSERT INTO filler WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
          .. "SELECT zeroblob(8000) FROM n", {} },
      })
      assert(host:write("DROP TABLE filler", {}))
    end)
    local report = document { "gc" }
    assert.is_true(report.given_back > 2000000, tostring(report.given_back))
    assert.is_true(report.after.database < 2000000, tostring(report.after.database))
    sound()
  end)

  it("is written anew with --compact, unless somebody else has it open", function()
    run(1)
    local report = document { "gc", "--compact" }
    assert.is_true(report.compacted)
    sound()
    database(function()
      local r = support.symphony({ "gc", "--compact", "--json" }, { cwd = dir })
      assert.equal(1, r.code)
      local failure = json.decode(r.out).error
      assert.equal("timeout", failure.code)
      assert.truthy(failure.hint)
    end)
    assert.equal(1, #numbers())
  end)

  it("made before incremental vacuum is converted by --compact", function()
    run(1)
    support.sh("command -v sqlite3 >/dev/null || exit 0; sqlite3 .symphony/symphony.db "
      .. "'PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA journal_mode = WAL' >/dev/null",
      { cwd = dir })
    local before = document { "gc" }
    if before.gives_back then return pending "no sqlite3 here" end
    document { "gc", "--compact" }
    assert.is_true(document({ "gc" }).gives_back)
    sound()
  end)

  it("lets nothing refer to a run's rows that removing it does not know", function()
    local known = { artifact = true, artifact_pit_operation = true, control = true, event = true, event_artifact = true,
      pin = true, pipeline_orchestration = true, pit_operation = true, run_span = true, task = true, task_stream = true }
    run(1)
    database(function(host)
      for _, row in ipairs(host:query([[
SELECT m.name AS name, f."table" AS target FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND f."table" IN ('pipeline_orchestration', 'task', 'event', 'artifact', 'pit_operation')]], {})) do
        assert.truthy(known[row.name], row.name .. " refers to " .. row.target)
      end
    end)
  end)
end)
