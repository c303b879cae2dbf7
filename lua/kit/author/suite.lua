--- The tests of an extension: each spec file in an isolate of its own, with the extension's grants in a project of the
--- test's own. Grants outside of the project do not count there.
local excerpt = require "kit.author.excerpt"
local keys = require "kit.keys"
local fs = require "sy.fs"
local framework = require "kit.author.framework"
local isolate = require "sy.isolate"
local json = require "sy.json"
local modules = require "kit.author.modules"
local paths = require "kit.paths"
local problem = require "kit.problem"
local registry = require "kit.registry"
local scratch = require "kit.author.scratch"
local units = require "kit.units"
local view = require "kit.package.view"

local M = {}

local MEMORY_BYTES = 512 << 20 -- the framework and what the tests keep are in it, too
local CPU_TIMES, LIMIT_MS = 10, 600000 -- a file of tests may compute as long as ten calls
local RECORDING_BYTES = 64 << 20
local SHELL = [[return { run = function(input)
  return require("process").run { argv = { "sh", "-ec", input.line }, cwd = input.dir, timeout = 60 }
end }]]
local SOURCE = 'return require "testing.run"'

--- What it may do in a test: what lies outside of the project is left out.
local function grants(capabilities)
  local own = {}
  for name, value in pairs(capabilities) do own[name] = value end
  for _, name in ipairs { "fs.read", "fs.write" } do
    own[name] = json.array {}
    for _, glob in ipairs(capabilities[name] or {}) do
      if not glob:match "^[/$~]" or glob:match "^%$PROJECT" then table.insert(own[name], glob) end
    end
  end
  for _, name in ipairs { "process", "net", "env", "secrets", "editor" } do own[name] = json.array(own[name] or {}) end
  own.memory, own.cpu, own.timeout = "512MiB", capabilities.cpu, capabilities.timeout
  return own
end

local function tape(suite, file)
  return paths.join(suite.entry.dir, (file:gsub("%.lua$", ".http.json")))
end

local function recorded(suite, file)
  local path = tape(suite, file)
  if paths.kind(path) ~= "file" or suite.recording then return json.array {} end
  local text, message = fs.read(path, { max = RECORDING_BYTES })
  local value = text and json.decode(text)
  if type(value) == "table" and value.format == 1 and type(value.answers) == "table" then
    return json.array(value.answers)
  end
  return problem.fail("file_invalid", "the recording cannot be read: " .. (message or "it is none"),
    { file = path, hint = "symphony ext test --record   makes it anew" })
end

local function write_recording(suite, file, answers)
  local text = json.encode({ format = 1, answers = json.array(answers) }, { pretty = true }) .. "\n"
  local ok, message = paths.write(tape(suite, file), text)
  if ok then return true end
  return problem.fail("io_error", "the recording cannot be written: " .. tostring(message))
end

--- What the isolate is told of the extension.
local function about(suite, answers)
  local made, operations = suite.entry.manifest, {}
  for name, one in pairs(made.operation) do operations[name] = { input = one.input, output = one.output } end
  return { name = suite.entry.name, operations = operations, file = made.extension.entry,
    entry = made.extension.entry:gsub("%.lua$", ""):gsub("/", "."), recorded = answers,
    recording = suite.recording or false, timeout_s = (units.milliseconds(made.capabilities.timeout) or 30000) / 1000 }
end

--- A failure as problems: {message, file, line, source_line, col, length}, the message without its place.
local function explain(suite, message)
  local file, line, said = excerpt.split(message)
  local why = problem.new("extension_error", said, { file = file, line = line })
  return excerpt.fill(why, suite.all)
end

local function add(suite, file, one)
  local problems = {}
  for i, message in ipairs(one.problems) do problems[i] = explain(suite, message) end
  local result = {
    test = suite.entry.name, file = paths.join(suite.entry.shown, file), case = one.name, line = one.line,
    ok = #problems == 0 and one.status ~= "failure" and one.status ~= "error", pending = one.status == "pending",
    ms = one.ms or 0, found = problems, problems = {},
  }
  for i, why in ipairs(problems) do result.problems[i] = why.message end
  suite.results[#suite.results + 1] = result
end

--- A line of shell that sets a scene: held by the kernel to the test's project, without a network.
local function scene(suite, line)
  local guest = assert(isolate.new {
    name = "shell", source = SHELL, chunk = "shell", profile = "extension", waits = true, foreign = true,
    limit_ms = LIMIT_MS, cpu_ms = 10000, capabilities = {
      ["fs.read"] = { suite.project.dir .. "/**" }, ["fs.write"] = { suite.project.dir .. "/**" },
      process = { "sh" }, timeout = "60s" },
  })
  local done, err = guest:call("run", { line = line, dir = suite.project.dir })
  guest:close()
  if not done then error(("`%s`: %s"):format(line, err.message), 0) end
  if done.exit_code == 0 then return done.stdout end
  error(("`%s` ended with %d: %s%s"):format(line, done.exit_code, done.stdout, done.stderr), 0)
end

--- What an isolate may ask while it runs one file.
local function answers_of(suite, file, run)
  local all = {}
  function all.about() return about(suite, run.recorded) end
  function all.framework(name) return framework.source(name) or false end
  function all.cross(value) return value end
  function all.files(tree) suite.project:write(tree) return true end
  function all.read(path) return suite.project:read(path) end
  function all.shell(line) return scene(suite, line) end
  function all.empty() suite.project:empty() return true end
  function all.record(one) table.insert(run.answers, one) return true end
  function all.begin(test) run.now = test return true end
  function all.result(one)
    run.now, run.count = nil, run.count + 1
    add(suite, file, one)
    return true
  end
  function all.outside(one)
    run.count = run.count + 1
    add(suite, file, { name = "outside of the tests", line = one.line, status = "error", problems = { one.message } })
    return true
  end
  return function(what, value) return all[what](value) end
end

--- A file that did not come to its end: the test that ran, or the file itself, has failed.
local function broken(suite, file, run, err)
  local where, message = err.where or {}, err.message or tostring(err)
  if where.file and where.file ~= "" then message = ("%s:%d: %s"):format(where.file, where.line or 1, message) end
  local now = run.now or { name = "the file", line = where.file == file and where.line or nil }
  add(suite, file, { name = now.name, line = now.line, status = "error", problems = { message } })
end

local function one_file(suite, file)
  local answers, bad = recorded(suite, file)
  if not answers then return nil, bad end
  local run = { recorded = answers, answers = {}, count = 0 }
  local guest, err = isolate.new {
    name = suite.entry.name, source = SOURCE, chunk = "testing", profile = "extension", testing = true, waits = true,
    foreign = true,
    module = modules.of(suite.files, suite.specs), capabilities = grants(suite.entry.manifest.capabilities),
    project = suite.project.dir, host = answers_of(suite, file, run), memory_bytes = MEMORY_BYTES,
    cpu_ms = CPU_TIMES * (units.milliseconds(suite.entry.manifest.capabilities.cpu) or 2000),
    limit_ms = LIMIT_MS,
  }
  local done = nil
  if guest then
    done, err = guest:call("run", { source = suite.specs[file], file = file })
    guest:close()
  end
  suite.project:empty()
  if not done then broken(suite, file, run, err) end
  if done and run.count == 0 then
    add(suite, file, { name = "the file", status = "error", problems = { "it has no tests" } })
  end
  if suite.recording and #run.answers > 0 then return write_recording(suite, file, run.answers) end
  return true
end

--- Whose tests they are: entry, files, spec files.
---@param entry ExtensionEntry of kit.author.target
---@return table? suite
---@return Problem?
function M.open(entry)
  entry.view = entry.view or view.of(nil)
  local loaded, problems = registry.load(entry)
  if not loaded then return nil, problems[1] end
  local files, why = view.bundle(loaded)
  if not files then return nil, why end
  local suite = { entry = loaded, files = files, specs = modules.specs(entry.dir), names = {}, results = {}, all = {} }
  for _, map in ipairs { files, suite.specs } do
    for path, text in pairs(map) do suite.all[path] = text end
  end
  for _, path in ipairs(keys.sorted(suite.specs)) do
    if path:match "_spec%.lua$" then table.insert(suite.names, path) end
  end
  if #suite.names > 0 then return suite end
  return problem.fail("not_found", ("%s has no tests"):format(entry.name),
    { hint = ("they lie beside its code: %s/spec/NAME_spec.lua"):format(entry.shown) })
end

--- Runs all spec files.
---@param entry ExtensionEntry
---@param options? { record: boolean? }
---@return table[]? results
---@return Problem?
function M.run(entry, options)
  local there, missing = framework.there()
  if not there then return nil, missing end
  local suite, why = M.open(entry)
  if not suite then return nil, why end
  suite.recording = options and options.record
  local project, bad = scratch.new()
  if not project then return nil, bad end
  suite.project = project
  local ok
  for _, file in ipairs(suite.names) do
    ok, why = one_file(suite, file)
    if not ok then break end
  end
  project:close()
  if not ok then return nil, why end
  return suite.results
end

return M
