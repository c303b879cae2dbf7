--- import: a run out of a file: what it holds, what it needs, and the run it becomes here.
local args = require "cli.args"
local chore = require "kit.chore"
local exit = require "cli.exit"
local ids = require "kit.import_ids"
local import_read = require "kit.import_read"
local import_write = require "kit.import_write"
local json = require "sy.json"
local plan = require "melody.plan"
local project = require "kit.project"
local registry = require "kit.registry"
local runner = require "kit.runner"
local text = require "cli.output.text"

local USAGE = "import FILE [--dry-run]"

local ENDED = { completed = true, failed = true, cancelled = true }

--- How an extension that the run called is here: the same code, other code, not at all.
local function state_of(found, one)
  local entry, why = found:extension(one.name)
  if not entry then return why.code == "not_trusted" and "not_trusted" or "missing", json.null end
  return entry.code_hash == one.code_hash and "same" or "other_code", entry.manifest.extension.version
end

local function extensions(place, parcel)
  local found, list = registry.new(place), json.array {}
  for _, one in ipairs(parcel.extensions) do
    if one.code_hash ~= "builtin" then
      local state, here = state_of(found, one)
      list[#list + 1] = { name = one.name, type = one.type, version = one.version, code_hash = one.code_hash,
        source = one.source, files = #one.files, state = state, here = here }
    end
  end
  return list
end

local function describe(place, parcel)
  local from = parcel.manifest.run
  local planned = plan.document(parcel.definition, runner.operations(registry.new(place)))
  return {
    file = parcel.path,
    from = { run = parcel.run.id, number = parcel.run.number, melody = from.melody,
      melody_hash = parcel.run.melody_hash or json.null, status = parcel.run.status,
      symphony = tostring(parcel.manifest.symphony) },
    tasks = math.max(0, (parcel.counts.task or 0) - 1), events = parcel.counts.event or 0,
    artifacts = parcel.counts.artifact or 0,
    blobs = parcel.counts.blob or 0, bytes = parcel.bytes,
    extensions = extensions(place, parcel),
    may_touch = planned and planned.may_touch or json.array {},
    resumable = not ENDED[parcel.run.status] and parcel.run.durability ~= "none",
    imported = false, new_ids = false, run = json.null, number = json.null, status = json.null,
  }
end

-- ---- words ----

local STATES = { same = "the same code is here", other_code = "other code is here", missing = "not here",
  not_trusted = "here, but this project is not trusted" }
local SIGNS = { same = "ok", other_code = "warn", missing = "fail", not_trusted = "warn" }

local function show_extensions(ctx, doc)
  local rows = {}
  for i, one in ipairs(doc.extensions) do
    local state = STATES[one.state]
    if one.state == "other_code" then state = ("%s: %s"):format(state, one.here) end
    if one.files > 0 and one.state ~= "same" then
      state = ("%s; its %d files are in the file"):format(state, one.files)
    end
    rows[i] = { ctx.style:sign(SIGNS[one.state]) .. " " .. one.name, one.version, state }
  end
  for _, line in ipairs(text.table(rows, { indent = "  " })) do ctx:say(line) end
end

local function show(ctx, doc)
  ctx:say(("%s  run #%d of the file %s %s"):format(ctx.style:paint("bold", text.clean(doc.from.melody)),
    doc.from.number, ctx.style:letter "dot", doc.from.status))
  ctx:say(("  %d tasks, %d events, %d artifacts, %s"):format(doc.tasks, doc.events, doc.artifacts,
    text.size(doc.bytes)))
  show_extensions(ctx, doc)
  if doc.resumable and #doc.may_touch > 0 then
    ctx:say("  Resumed, it may")
    for _, what in ipairs(doc.may_touch) do ctx:say("    " .. text.clean(what)) end
  end
end

local function next_step(ctx, doc)
  if not doc.imported then return ctx:say(("symphony import %s   makes a run of it"):format(text.clean(doc.file))) end
  local other = false
  for _, one in ipairs(doc.extensions) do other = other or one.state == "other_code" end
  ctx:say(("it is run #%d here   symphony %s %d%s"):format(doc.number, doc.resumable and "resume" or "show", doc.number,
    doc.resumable and other and " --accept-code" or ""))
end

-- ---- the way ----

--- Reads and checks all of the file; says whether its ids are free here.
local function verified(host, path)
  local taken = false
  local parcel, why = import_read.verify(path, host, function(kind, rows)
    taken = taken or ids.taken(host, kind, rows)
    return true
  end)
  if not parcel then return nil, why end
  local run = host:query("SELECT 1 FROM pipeline_orchestration WHERE id = ?1", { parcel.run.id })[1]
  return parcel, taken or run ~= nil
end

local function write(host, parcel, doc, new_ids)
  local run, why = chore.run(host, {
    type = "artifact_processing",
    operation = "host.artifacts",
    payload = { action = "import_run", run = parcel.run.id, number = parcel.run.number },
  }, function() return import_write.write(host, parcel, new_ids) end)
  if not run then return nil, why end
  local row = host:query("SELECT status FROM pipeline_orchestration WHERE id = ?1", { run.id })[1]
  doc.imported, doc.run, doc.number, doc.status, doc.new_ids = true, run.id, run.number, row.status, new_ids
  return true
end

return {
  name = "import",
  summary = "a run out of a file of export",
  usage = USAGE,
  options = { { name = "dry-run", doc = "check the file and show what it holds, write nothing" } },
  example = "symphony import run-7.tar.zst --dry-run",
  run = function(ctx, words)
    local ok, why = args.count(words, 1, 1, USAGE)
    if not ok then return nil, why end
    local place = ctx:place()
    ok, why = project.check(place)
    if not ok then return nil, why end
    local host, closed = ctx:host { create = not words.options["dry-run"] }
    if not host then return nil, closed end
    local parcel, taken = verified(host, words[1])
    if not parcel then return nil, taken end
    local doc = describe(place, parcel)
    if not words.options["dry-run"] then
      local done, failure = write(host, parcel, doc, taken)
      if not done then return nil, failure end
    end
    if ctx.json then
      ctx:document(doc)
    else
      show(ctx, doc)
      next_step(ctx, doc)
    end
    return exit.DONE
  end,
}
