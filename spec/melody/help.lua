--- What the specs of this folder share: loading and checking melodies against the shapes of the bundled operations.
local check = require "melody.check"
local load_melody = require "melody.load"

local root = os.getenv "SYMPHONY_ROOT" or "."

local M = { root = root, fixtures = root .. "/spec/fixtures/melodies/" }

local function closed(properties, required)
  return { type = "object", properties = properties, required = required, additionalProperties = false }
end

local text, integer, anything = { type = "string" }, { type = "integer" }, true
local file = closed { path = text, size = integer }
local strings_or_files = { type = "array", items = { anyOf = { text, { type = "object", required = { "path" } } } } }

M.operations = {
  ["git.diff"] = { extension = "git", operation = "diff", effects = "read", input = closed { base = text },
                   output = closed { files = { type = "array", items = closed { path = text, status = text } },
                                     patch = text, stat = text } },
  ["search.grep"] = { extension = "search", operation = "grep", effects = "read",
                      input = closed({ pattern = text, paths = strings_or_files }, { "pattern" }),
                      output = closed { matches = { type = "array", items = { type = "object" } } } },
  ["lint.check"] = { extension = "lint", operation = "check", effects = "read",
                     input = { type = "object", required = { "path" }, properties = { path = text } },
                     output = closed { findings = { type = "array", items = anything } } },
  ["outline.summarise"] = { extension = "outline", operation = "summarise", effects = "none",
                            input = closed({ patch = text }, { "patch" }), output = closed { text = text } },
  ["report.write"] = { extension = "report", operation = "write", effects = "write",
                       input = { type = "object", required = { "title" }, properties = { title = text } },
                       output = closed { markdown = anything, html = anything } },
  ["file.glob"] = { extension = "file", operation = "glob", effects = "read",
                    input = closed({ pattern = text }, { "pattern" }),
                    output = closed { files = { type = "array", items = file } } },
  ["file.read"] = { extension = "file", operation = "read", effects = "read",
                    input = closed({ path = text }, { "path" }), output = closed { content = text, size = integer } },
  ["process.run"] = { extension = "process", operation = "run", effects = "external",
                      input = closed({ argv = { type = "array", items = text, minItems = 1 }, cwd = text, stdin = text,
                                       check = { type = "boolean" } }, { "argv" }),
                      output = closed { exit_code = integer, stdout = text, stderr = text } },
  ["loose.op"] = { extension = "loose", operation = "op", effects = "none",
                   input = { type = "object", properties = { known = text } },
                   output = { type = "object", properties = { known = text } } },
}

--- The operations as check.run asks for them.
function M.ops(name)
  if M.operations[name] then return M.operations[name] end
  local names = {}
  for other in pairs(M.operations) do names[#names + 1] = other end
  return nil, names
end

function M.read(path)
  local handle = assert(io.open(path, "rb"))
  local content = handle:read("a")
  handle:close()
  return content
end

--- Modules that a fixture may require: files below the fixtures' folder.
function M.module(name)
  local path = name:gsub("%.", "/") .. ".lua"
  local handle = io.open(M.fixtures .. path, "rb")
  if not handle then return nil end
  local content = handle:read("a")
  handle:close()
  return content, "melodies/" .. path
end

--- Loads a fixture by file name.
function M.fixture(name)
  return load_melody.text(M.read(M.fixtures .. name), { file = "melodies/" .. name, module = M.module })
end

local HEAD = 'local melody = require "melody"\nlocal m = melody "test"\n'

--- Loads a melody whose first two lines (requiring, naming) and last line are given: the body starts on line 3.
function M.body(body)
  return load_melody.text(HEAD .. body .. "\nreturn m\n", { file = "melodies/test.lua" })
end

--- All problems of something loaded.
function M.problems(loaded, options)
  options = options or {}
  return check.run(loaded.definition, {
    ops = options.ops or M.ops, sources = loaded.sources, problems = loaded.problems, compile = options.compile,
  })
end

--- Problems of a body.
function M.check(body, options)
  return M.problems(M.body(body), options)
end

--- The one problem of something loaded; fails when there is none or more.
function M.only_of(loaded, options)
  local problems = M.problems(loaded, options)
  local said = {}
  for i, p in ipairs(problems) do said[i] = p.code .. ": " .. p.message end
  assert(#problems == 1, ("expected one problem, got %d\n%s"):format(#problems, table.concat(said, "\n")))
  return problems[1]
end

--- The one problem of a body.
function M.only(body, options) return M.only_of(M.body(body), options) end

--- The one problem of a whole file.
function M.only_in(source) return M.only_of(load_melody.text(source, { file = "melodies/test.lua" })) end

--- Whether two plain values are equal, tables deeply.
function M.equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not M.equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

return M
