--- export: a run as one file, to be shown, kept or continued elsewhere.
local args = require "cli.args"
local document = require "cli.output.document"
local exit = require "cli.exit"
local follow = require "cli.follow"
local fs = require "sy.fs"
local problem = require "kit.problem"
local run_export = require "cli.run_export"
local select = require "cli.select"
local text = require "cli.output.text"

local USAGE = "export [RUN] [--output FILE]"

--- Writes beside the file first, so that it is never half there.
local function to_file(ctx, host, run, path)
  if fs.lstat(path) and fs.lstat(path).type == "directory" then
    return problem.fail("usage", ("%s is a folder"):format(path))
  end
  local part = ("%s.%s.part"):format(path, host:new_id():sub(-12))
  local counts, why = run_export.write(host, ctx:place(), run, part)
  local moved, message, code
  if counts then moved, message, code = fs.move(part, path) end
  if moved then return counts end
  fs.remove(part)
  return nil, why or problem.from(message, code)
end

local function told(ctx, path, run, counts)
  local size = fs.stat(path).size
  if ctx.json then
    ctx:document { file = path, run = run.id, number = run.number, melody = document.name(run),
      status = (document.status(ctx.opened, run)), tasks = counts.task - 1, events = counts.event or 0,
      artifacts = counts.artifact or 0, blobs = counts.blob or 0, size = size }
    return
  end
  ctx:say(("run #%d is in %s   %s, %d tasks, %d contents"):format(run.number, path, text.size(size), counts.task - 1,
    counts.blob or 0))
end

return {
  name = "export",
  summary = "a run as one file, to be moved",
  usage = USAGE,
  options = { { name = "output", short = "o", argument = "FILE", doc = "write there instead of to stdout" } },
  example = "symphony export 7 > run-7.tar.zst",
  run = function(ctx, words)
    local ok, why = args.count(words, 0, 1, USAGE)
    if not ok then return nil, why end
    local path = words.options.output
    if not path and (ctx.json or ctx.terminal.stdout) then
      local what = ctx.json and "with --json the file needs a name" or "a terminal shows no packed file"
      return problem.fail("usage", what, { hint = "symphony export RUN --output run.tar.zst" })
    end
    local host, closed = follow.open(ctx)
    if not host then return nil, closed end
    local run, none = select.run(host, words[1])
    if not run then return nil, none end
    local _, alive = document.status(host, run)
    if alive then
      return problem.fail("run_owned", ("run #%d is being run"):format(run.number),
        { hint = "wait for its end, or stop it where it runs; it can be exported as it is then" })
    end
    if not path then
      ctx.documented = true
      local counts, failure = run_export.write(host, ctx:place(), run, nil)
      if not counts then return nil, failure end
      return exit.DONE
    end
    local counts, failure = to_file(ctx, host, run, path)
    if not counts then return nil, failure end
    told(ctx, path, run, counts)
    return exit.DONE
  end,
}
