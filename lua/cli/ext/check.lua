--- ext check: looks for mistakes in an extension without running it: manifest, schemas, code, permissions.
local args = require "cli.args"
local exit = require "cli.exit"
local health = require "cli.ext.health"
local json = require "sy.json"
local paths = require "kit.paths"
local problem = require "kit.problem"
local registry = require "kit.registry"
local review = require "kit.author.review"
local view = require "kit.package.view"

local USAGE = "ext check [NAME|FOLDER|FILE] [--health]"

--- The manifest that a name or path means, as text and name for messages.
local function manifest_text(ctx, typed)
  local path = paths.kind(typed) == "directory" and paths.join(typed == "." and "" or typed, "Symphony.toml") or typed
  if paths.kind(path) == "file" then
    local bytes, message = paths.read(path)
    if not bytes then return problem.fail("io_error", message) end
    return bytes, path
  end
  if path ~= typed then
    return problem.fail("not_found", ("there is no Symphony.toml in %s"):format(typed),
      { hint = "an extension is a folder with one   symphony ext new NAME   makes it" })
  end
  for _, entry in ipairs(registry.new(ctx:place()):all()) do
    if entry.name == typed then return entry.text or paths.read(entry.file), entry.file end
  end
  return problem.fail("not_found", ("there is no extension and no file `%s`"):format(typed),
    { hint = "symphony ext ls   lists them" })
end

--- A problem as the document has it.
local function document(one)
  local made = require("cli.context").error_document(one)
  made.severity = one.severity
  return made
end

local function count(problems, severity)
  local n = 0
  for _, one in ipairs(problems) do n = n + (one.severity == severity and 1 or 0) end
  return n
end

--- What the extension says of its health, where that was asked for and nothing else is wrong.
local function health_of(ctx, words, made, fine)
  if not words.options.health or not fine then return nil end
  local found, why = health.ask(ctx, made.extension.name)
  if found == nil then return { ok = false, failure = why } end
  return found
end

local function say_health(ctx, made, well)
  if well == nil then return end
  if well == false then return ctx:say(("%s has no operation `health` to ask"):format(made.extension.name)) end
  if well.failure then ctx:complain_all { well.failure } end
  if well.ok then ctx:say(("%s says that it is well"):format(made.extension.name)) end
end

local function check(ctx, words)
  local ok, why = args.count(words, 0, 1, USAGE)
  if not ok then return nil, why end
  local bytes, file = manifest_text(ctx, words[1] or ".")
  if not bytes then return nil, file end
  local made, problems = review.check(bytes, file, view.of(ctx:place()))
  local fine = review.is_fine(problems)
  local well = health_of(ctx, words, made, fine)
  if ctx.json then
    local list = json.array {}
    for i, one in ipairs(problems) do list[i] = document(one) end
    ctx:document { extension = made and made.extension.name or json.null, ok = fine, problems = list,
      health = words.options.health and health.document(well or false) or nil }
  else
    ctx:complain_all(problems)
    local warnings = count(problems, "warning")
    local also = warnings == 0 and "" or warnings == 1 and " (one warning)" or (" (%d warnings)"):format(warnings)
    if fine then ctx:say(("%s is fine: %s%s"):format(made.extension.name, file, also)) end
    say_health(ctx, made, well)
  end
  if not fine then return exit.USAGE end
  return well and not well.ok and exit.FAILED or exit.DONE
end

return {
  name = "check",
  summary = "look for mistakes in a manifest and its code, and compare the permissions with what the code uses",
  usage = USAGE,
  options = { { name = "health", doc = "when nothing is wrong, call its operation `health`, if it has one" } },
  example = "symphony ext check extensions/mine",
  run = check,
}
