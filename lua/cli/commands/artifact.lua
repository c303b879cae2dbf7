--- artifact: what runs have made, by content.
local args = require "cli.args"
local artifacts = require "cli.artifacts"
local exit = require "cli.exit"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local text = require "cli.output.text"

local DAY_MS = 86400000

local function open(ctx)
  return ctx:host { create = false }
end

local function one(ctx, words, usage)
  local ok, why = args.count(words, 1, 1, usage)
  if not ok then return nil, nil, why end
  local host, closed = open(ctx)
  if not host then return nil, nil, closed end
  local row, none = artifacts.find(host, words[1])
  return host, row, none
end

local function ls(ctx, words)
  local ok, why = args.count(words, 0, 0, "artifact ls")
  if not ok then return nil, why end
  local list, names = json.array {}, {}
  if ctx:place().exists then
    local host, closed = open(ctx)
    if not host then return nil, closed end
    for i, row in ipairs(artifacts.all(host)) do
      list[i], names[i] = artifacts.entry(row), artifacts.called(row)
    end
  end
  if ctx.json then
    ctx:document { artifacts = list }
    return exit.DONE
  end
  local rows = {}
  for i, item in ipairs(list) do
    rows[i] = { item.hash:sub(8, 19), names[i], item.task, text.size(item.size),
      item.created_at:sub(1, 19):gsub("T", " "),
      item.pinned and "pinned" or "" }
  end
  for _, line in ipairs(text.table(rows, { right = { [4] = true } })) do ctx:print(line) end
  if #rows == 0 then ctx:say("no run has made an artifact yet") end
  return exit.DONE
end

local function show(ctx, words)
  local host, row, why = one(ctx, words, "artifact show ARTIFACT")
  if not row then return nil, why end
  local document = artifacts.entry(row)
  document.metadata = json.decode(row.metadata)
  document.quality = json.array {}
  for _, made in ipairs(host:query("SELECT quality_metrics FROM artifact WHERE id = ?1", { row.id })) do
    document.quality = json.decode(made.quality_metrics)
  end
  if ctx.json then
    ctx:document(document)
    return exit.DONE
  end
  local rows = {
    { "id", document.id }, { "hash", document.hash }, { "type", document.type }, { "task", document.task },
    { "size", text.size(document.size) }, { "made", document.created_at },
      { "pinned", document.pinned and "yes" or "no" },
    { "about", row.metadata },
  }
  for _, line in ipairs(text.table(rows)) do ctx:print(line) end
  return exit.DONE
end

local function cat(ctx, words)
  local host, row, why = one(ctx, words, "artifact cat ARTIFACT")
  if not row then return nil, why end
  local bytes, failure, code = host:artifact_get(row.hash)
  if not bytes then return nil, problem.from(failure, code) end
  if ctx.json then
    local valid = utf8.len(bytes) ~= nil
    ctx:document { hash = row.hash, size = #bytes, text = valid and bytes or json.null }
  else
    io.stdout:write(bytes)
  end
  return exit.DONE
end

local function verify(ctx, words)
  local ok, why = args.count(words, 0, 1, "artifact verify [ARTIFACT]")
  if not ok then return nil, why end
  local host, closed = open(ctx)
  if not host then return nil, closed end
  local rows = host:query("SELECT DISTINCT content_hash AS hash FROM artifact ORDER BY 1", {})
  if words[1] then
    local row, none = artifacts.find(host, words[1])
    if not row then return nil, none end
    rows = { row }
  end
  local report, failed = artifacts.processing(host, { action = "verify", contents = #rows },
    function() return artifacts.verify_all(host, rows) end)
  if not report then return nil, failed end
  local bad = report.damaged
  if ctx.json then
    ctx:document(report)
  else
    for _, item in ipairs(bad) do ctx:print(("%s  %s"):format(item.hash, item.message)) end
    ctx:say(("%d verified, %d damaged"):format(#rows - #bad, #bad))
  end
  return #bad == 0 and exit.DONE or exit.FAILED
end

local function pinning(on, name)
  return function(ctx, words)
    local host, row, why = one(ctx, words, ("artifact %s ARTIFACT"):format(name))
    if not row then return nil, why end
    local done, refused = artifacts.processing(host, { action = name, hash = row.hash }, function()
      local ok, failure, code = host:pin(row.hash, on)
      if not ok then return nil, problem.from(failure, code) end
      return { hash = row.hash, pinned = on }
    end)
    if not done then return nil, refused end
    if ctx.json then
      ctx:document(done)
    else
      ctx:say(("%s is %s"):format(row.hash:sub(8, 19),
        on and "kept until it is unpinned" or "no longer kept on purpose"))
    end
    return exit.DONE
  end
end

local function gc(ctx, words)
  local ok, why = args.count(words, 0, 0, "artifact gc [--dry-run]")
  if not ok then return nil, why end
  local host, closed = open(ctx)
  if not host then return nil, closed end
  local dry_run = words.options["dry-run"] or false
  local policy = {
    hot_ms = ctx:setting "artifact.hot_days" * DAY_MS,
    archive_ms = ctx:setting "artifact.archive_days" * DAY_MS,
    max_bytes = ctx:setting "artifact.max_mib" * (1 << 20),
    cache_ms = ctx:setting "cache.keep_days" * DAY_MS,
    cache_bytes = ctx:setting "cache.max_mib" * (1 << 20),
    dry_run = dry_run,
  }
  local report, failed = artifacts.processing(host, { action = "gc", dry_run = dry_run, policy = policy }, function()
    local found, failure, code = host:collect(policy)
    if not found then return nil, problem.from(failure, code) end
    host:decide("stale_management", json.encode { action = "collect", dry_run = dry_run, examined = found.examined,
      archived = found.archived, deleted = found.deleted, kept_pinned = found.kept_pinned,
      kept_referenced = found.kept_referenced, cache_dropped = found.cache_dropped },
      json.encode { bytes_before = found.bytes_before, bytes_after = found.bytes_after })
    return found
  end)
  if not report then return nil, failed end
  if ctx.json then
    ctx:document(report)
    return exit.DONE
  end
  ctx:say(("%d looked at%s: %d archived, %d deleted; %s, before %s"):format(report.examined or 0,
    dry_run and ", this would be done" or "", report.archived or 0, report.deleted or 0,
    text.size(report.bytes_after or 0), text.size(report.bytes_before or 0)))
  if (report.cache_dropped or 0) > 0 then
    ctx:say(("%d results left the cache"):format(report.cache_dropped))
  end
  return exit.DONE
end

local function export(ctx, words)
  local ok, why = args.count(words, 2, 2, "artifact export ARTIFACT FILE")
  if not ok then return nil, why end
  local host, closed = open(ctx)
  if not host then return nil, closed end
  local row, none = artifacts.find(host, words[1])
  if not row then return nil, none end
  local done, failed = artifacts.processing(host, { action = "export", hash = row.hash, file = words[2] }, function()
    local bytes, failure, code = host:artifact_get(row.hash)
    if not bytes then return nil, problem.from(failure, code) end
    local written, message, write_code = paths.write(words[2], bytes)
    if not written then return nil, problem.new(write_code, message) end
    return { hash = row.hash, file = words[2], size = #bytes }
  end)
  if not done then return nil, failed end
  if ctx.json then
    ctx:document(done)
  else
    ctx:say(("%s  %s"):format(words[2], text.size(done.size)))
  end
  return exit.DONE
end

return {
  name = "artifact",
  summary = "what runs have made: list, show, check, keep, clean up",
  usage = "artifact ls|show|cat|verify|pin|unpin|gc|export",
  example = "symphony artifact ls",
  subcommands = {
    { name = "ls", summary = "list artifacts, the latest first", usage = "artifact ls", options = {},
      example = "symphony artifact ls --json", run = ls },
    { name = "show", summary = "what is known of one", usage = "artifact show ARTIFACT", options = {},
      example = "symphony artifact show 3fa41c", run = show },
    { name = "cat", summary = "its content, verified", usage = "artifact cat ARTIFACT", options = {},
      example = "symphony artifact cat 3fa41c > report.html", run = cat },
    { name = "verify", summary = "read content and compare with its hash; all of it without ARTIFACT",
      usage = "artifact verify [ARTIFACT]", options = {}, example = "symphony artifact verify", run = verify },
    { name = "pin", summary = "keep it until it is unpinned", usage = "artifact pin ARTIFACT", options = {},
      example = "symphony artifact pin 3fa41c", run = pinning(true, "pin") },
    { name = "unpin", summary = "stop keeping it on purpose", usage = "artifact unpin ARTIFACT", options = {},
      example = "symphony artifact unpin 3fa41c", run = pinning(false, "unpin") },
    { name = "gc", summary = "archive and delete what nothing needs", usage = "artifact gc [--dry-run]",
      options = { { name = "dry-run", doc = "say what it would do" } }, example = "symphony artifact gc --dry-run",
        run = gc },
    { name = "export", summary = "write its content to a file", usage = "artifact export ARTIFACT FILE", options = {},
      example = "symphony artifact export 3fa41c report.html", run = export },
  },
}
