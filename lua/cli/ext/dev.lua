--- ext dev: watches an extension; each change is tried and, where it holds, takes the place of the state before.
local args = require "cli.args"
local call = require "cli.commands.call"
local exit = require "cli.exit"
local install = require "kit.install"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local registry = require "kit.registry"
local term = require "sy.term"
local tests = require "cli.ext.test"
local trial = require "kit.author.trial"
local watch = require "sy.watch"

local USAGE = "ext dev [FOLDER] [--test] [--call OPERATION [--input JSON]] [--once]"
local SLICE_MS, QUIET_MS = 200, 60

--- One JSON line for each thing that happens, else words.
local function report(dev, what, document, words)
  if dev.ctx.json then
    document.event = what
    dev.ctx:document(document)
  elseif words then
    dev.ctx:say(words)
  end
  io.stdout:flush()
end

local function listed(diff)
  local parts = {}
  for _, kind in ipairs { "added", "removed", "changed" } do
    for _, name in ipairs(diff[kind]) do parts[#parts + 1] = ("%s %s"):format(kind, name) end
  end
  for _, path in ipairs(diff.files) do parts[#parts + 1] = path end
  return #parts > 0 and table.concat(parts, ", ") or "nothing that is called"
end

local function refused(dev, problems, results)
  local list = json.array {}
  for i, one in ipairs(problems) do
    list[i] = require("cli.context").error_document(one)
  end
  report(dev, "refused", { problems = list, keeps = dev.now and dev.now.code_hash or json.null })
  if dev.ctx.json then return end
  dev.ctx:complain_all(problems)
  if results then tests.tell(dev.ctx, results, {}) end
  dev.ctx:note(dev.now and "the state before is kept" or "nothing is there to be called yet")
end

--- Calls the operation that was named, in the state that has just come.
local function rerun(dev)
  if not dev.call then return end
  local declared = dev.now.manifest.operation[dev.call]
  if not declared then
    dev.ctx:complain(problem.new("unknown_operation", ("%s has no operation `%s`"):format(dev.now.name, dev.call)))
    return
  end
  local row, why = call.one_task(dev.ctx, dev.host, dev.now.name .. "." .. dev.call, dev.now.name, dev.input)
  local code
  if row then code, why = call.conclude(dev.ctx, dev.host, row) end
  if not code then dev.ctx:complain(why) end
  io.stdout:flush()
end

--- Tries what lies there now. A host that runs holds on to the old state for what began with it.
local function swap(dev)
  local new, problems, results = trial.try(dev.dir, { test = dev.test, view = dev.view })
  if not new then return refused(dev, problems, results) end
  new.origin, new.place = dev.origin, dev.ctx:place()
  if dev.now and new.code_hash == dev.now.code_hash then return end
  if dev.now and new.name ~= dev.now.name then
    return refused(dev, { problem.new("manifest_invalid", ("it was %s and is %s now"):format(dev.now.name, new.name),
      { file = new.file, hint = "end this, and begin again with the new name" }) })
  end
  local ok, why = install.entries(dev.host, { new })
  if not ok then return refused(dev, { why }) end
  local diff, before = trial.difference(dev.now, new), dev.now
  dev.now = new
  report(dev, "swapped", { extension = new.name, version = new.manifest.extension.version, hash = new.code_hash,
    added = json.array(diff.added), removed = json.array(diff.removed), changed = json.array(diff.changed),
    files = json.array(diff.files), passed = results and #results or json.null },
    ("%s %s %s: %s%s"):format(dev.ctx.style:sign "ok", new.name, before and "swapped" or "loaded",
      listed(diff), results and (", %d tests passed"):format(#results) or ""))
  rerun(dev)
end

--- Waits until something changes, and then until nothing more does. Gives the signal that ended it.
local function changed(dev)
  local seen = false
  while true do
    local signal = term.take_signal()
    if signal then return nil, signal end
    local told, message, code = dev.watch:wait(seen and QUIET_MS or SLICE_MS)
    if not told then return nil, nil, problem.new(code, message) end
    if #told == 0 and seen then return true end
    seen = seen or #told > 0
    dev.host:step(0)
  end
end

local function follow(dev)
  report(dev, "watching", { dir = dev.dir }, ("watching %s; Ctrl-C ends it"):format(dev.dir))
  while true do
    local more, signal, why = changed(dev)
    if why then return nil, why end
    if signal then
      report(dev, "ended", {})
      return exit.DONE
    end
    if more then swap(dev) end
  end
end

local function input_of(words)
  if not words.options.input then return {} end
  local value, failure = json.decode(words.options.input)
  if type(value) == "table" then return value end
  return problem.fail("usage", "--input is not a JSON object: " .. tostring(failure), { hint = "symphony " .. USAGE })
end

--- Whose it is: what lies among the project's extensions runs as they do, once the project is trusted.
local function origin_of(ctx, dir)
  local place, real = ctx:place(), paths.real(dir)
  if not real or not paths.within(real, paths.join(place.dir, "extensions")) then return "user" end
  if place.trusted then return "project" end
  return problem.fail("not_trusted", ("%s belongs to this project, which is not trusted"):format(dir),
    { hint = "symphony trust   lets it run; read it first" })
end

local function run(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local input, bad = input_of(words)
  if not input then return nil, bad end
  local origin, untrusted = origin_of(ctx, words[1] or ".")
  if not origin then return nil, untrusted end
  local dev = { ctx = ctx, dir = words[1] or ".", test = words.options.test, input = input, origin = origin,
    call = words.options.call and words.options.call:match "[^%.]+$" }
  local message, code
  dev.watch, message, code = watch.open(dev.dir)
  if not dev.watch then return problem.fail(code, message) end
  dev.host, why = ctx:host()
  if not dev.host then return nil, why end
  dev.view = registry.new(ctx:place()).view
  term.take_signal()
  swap(dev)
  if words.options.once then return dev.now and exit.DONE or exit.FAILED end
  return follow(dev)
end

return {
  name = "dev",
  summary = "watch an extension: each change is checked, loaded and takes the place of the state before",
  usage = USAGE,
  options = {
    { name = "test", doc = "its tests have to pass, too" },
    { name = "call", argument = "OPERATION", doc = "call this after each change" },
    { name = "input", argument = "JSON", doc = "the input of that call" },
    { name = "once", doc = "try what is there, and end" },
  },
  example = "symphony ext dev extensions/mine --test",
  run = run,
}
