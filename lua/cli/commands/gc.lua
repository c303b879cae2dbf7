--- gc: removes what is old and what nothing needs, and gives the space back.
local args = require "cli.args"
local chore = require "kit.chore"
local exit = require "cli.exit"
local problem = require "kit.problem"
local retention = require "kit.retention"
local retention_files = require "kit.retention_files"
local text = require "cli.output.text"

local USAGE = "gc [--dry-run] [--compact]"
local PARTS = { "database", "artifacts", "out", "backup" }

--- Whether space inside the file can go back to the file system in small steps.
local function gives_back(host)
  return host:query("PRAGMA auto_vacuum", {})[1].auto_vacuum == 2
end

local function work(ctx, host, compact)
  local report = retention.clean(host, ctx:place(), retention.policy(ctx:settings()), 0)
  if compact then
    local ok, failure, code = host:compact()
    if not ok then return nil, problem.from(failure, code) end
  end
  retention.decide(host, report)
  return report
end

local function say(ctx, report)
  local verb = report.dry_run and "would be removed" or "removed"
  ctx:say(("%d runs %s: %d tasks, %d events, %d artifacts"):format(report.runs, verb, report.rows.tasks,
    report.rows.events, report.rows.artifacts))
  ctx:say(("%d contents deleted, %d archived; %d results left the cache; %d files"):format(report.contents.deleted,
    report.contents.archived, report.contents.cache_dropped, report.files))
  local rows = {}
  for i, part in ipairs(PARTS) do
    rows[i] = { part, text.size(report.before[part]), text.size(report.after[part]) }
  end
  if not report.dry_run then
    for _, line in ipairs(text.table(rows, { right = { [2] = true, [3] = true } })) do ctx:say(line) end
  end
  if not report.gives_back then
    ctx:note("this database is older than incremental vacuum: its free space is used again, the file stays as large")
    ctx:note("symphony gc --compact   writes it anew, once")
  end
end

return {
  name = "gc",
  summary = "remove old runs and what nothing needs",
  usage = USAGE,
  options = {
    { name = "dry-run", doc = "say what it would do" },
    { name = "compact", doc = "also write the database anew, without gaps; nobody else may have it open" },
  },
  example = "symphony gc --dry-run",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 0, USAGE)
    if not ok then return nil, why end
    local host, closed = ctx:host { create = false }
    if not host then return nil, closed end
    local dry_run, compact = words.options["dry-run"] or false, words.options.compact or false
    if dry_run and compact then return problem.fail("usage", "--dry-run and --compact do not go together") end
    local before = retention_files.sizes(host, ctx:place())
    local report, failed
    if dry_run then
      report = retention.forecast(host, ctx:place(), retention.policy(ctx:settings()))
    else
      report, failed = chore.run(host, retention.about { action = "gc", compact = compact },
        function() return work(ctx, host, compact) end)
    end
    if not report then return nil, failed end
    report.dry_run, report.compacted, report.gives_back = dry_run, compact, compact or gives_back(host)
    report.before, report.after = before, retention_files.sizes(host, ctx:place())
    if ctx.json then ctx:document(report) else say(ctx, report) end
    return exit.DONE
  end,
}
