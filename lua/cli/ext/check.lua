--- ext check: looks for mistakes in an extension without running it.
local args = require "cli.args"
local exit = require "cli.exit"
local json = require "sy.json"
local manifest = require "kit.manifest"
local paths = require "kit.paths"
local problem = require "kit.problem"
local registry = require "kit.registry"
local sources = require "kit.sources"

--- The manifest that a name or path means, as text and name for messages.
local function manifest_text(ctx, typed)
  local path = paths.kind(typed) == "directory" and paths.join(typed, "Symphony.toml") or typed
  if paths.kind(path) == "file" then
    local bytes, message = paths.read(path)
    if not bytes then return problem.fail("io_error", message) end
    return bytes, path
  end
  if path ~= typed then
    return problem.fail("not_found", ("there is no Symphony.toml in %s"):format(typed),
      { hint = "an extension is a folder with one; docs/guide/extensions.md has the smallest" })
  end
  for _, entry in ipairs(registry.new(ctx:place()):all()) do
    if entry.name == typed then return entry.text or paths.read(entry.file), entry.file end
  end
  return problem.fail("not_found", ("there is no extension and no file `%s`"):format(typed),
    { hint = "symphony ext ls   lists them" })
end

--- Compiles the schemas of a manifest: problems name the operation.
local function check_schemas(made, file, problems)
  local schema = require "sy.schema"
  for name, operation in pairs(made.operation) do
    for _, part in ipairs { "input", "output" } do
      local ok, failure = true, nil
      if operation[part] then ok, failure = schema.compile(operation[part]) end
      if not ok then
        local why = problem.from(failure, "manifest_invalid")
        problems[#problems + 1] = problem.new("manifest_invalid",
          ("operation.%s.%s: %s"):format(name, part, why.message), { file = file })
      end
    end
  end
end

--- Compiles the Lua files beside a manifest; none of them runs.
local function check_sources(dir, problems)
  local files, why = sources.folder(dir)
  if not files then
    problems[#problems + 1] = why
    return
  end
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = paths.join(dir, name)
    local ok, failure = load(files[name], "=f", "t", {})
    local line, said = tostring(failure):match("^f:(%d+): (.*)$")
    if not ok then
      problems[#problems + 1] = problem.new("extension_error", said or tostring(failure),
        { file = path, line = math.tointeger(tonumber(line)) })
    end
  end
end

--- Whether nothing but warnings was found.
local function is_ok(problems)
  for _, one in ipairs(problems) do
    if one.severity ~= "warning" then return false end
  end
  return true
end

local function check(ctx, words)
  local ok, why = args.count(words, 1, 1, "ext check NAME|FOLDER|FILE")
  if not ok then return nil, why end
  local bytes, file = manifest_text(ctx, words[1])
  if not bytes then return nil, file end
  local made, problems = manifest.read(bytes, file)
  problems = problems or {}
  if made then check_schemas(made, file, problems) end
  local dir = paths.kind(file) == "file" and paths.parent(file)
  if made and dir and next(made.operation) and not paths.stat(paths.join(dir, made.extension.entry)) then
    problems[#problems + 1] = problem.new("manifest_invalid",
      ("its entry %s is not there"):format(made.extension.entry), { file = file })
  end
  if made and dir then check_sources(dir, problems) end
  if ctx.json then
    local list = json.array {}
    for i, one in ipairs(problems) do list[i] = require("cli.context").error_document(one) end
    ctx:document { extension = made and made.extension.name or json.null, ok = is_ok(problems), problems = list }
  else
    ctx:complain_all(problems)
    if is_ok(problems) then ctx:say(("%s is fine: %s"):format(made.extension.name, file)) end
  end
  return is_ok(problems) and exit.DONE or exit.USAGE
end

return {
  name = "check",
  summary = "look for mistakes in a manifest and its code",
  usage = "ext check NAME|FOLDER|FILE",
  options = {},
  example = "symphony ext check extensions/mine",
  run = check,
}
