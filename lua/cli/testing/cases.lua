--- Test files: `melodies/NAME_test.lua`, evaluated in an isolate into cases; and the recordings beside them.
local isolate = require "sy.isolate"
local json = require "sy.json"
local melodies = require "kit.melodies"
local paths = require "kit.paths"
local problem = require "kit.problem"

local M = {}

local SUFFIX = "_test.lua"
local MEMORY_BYTES = 64 << 20
local CPU_MS = 2000
local CHECK = 'local name, run = ...\nreturn require("melody.test").check(require "the_test", name, run)'
local RECORDING_BYTES = 64 << 20

---@class TestFile
---@field name string without _test.lua
---@field path string
---@field file string as messages show it
---@field text string
---@field tape string path of its recordings

local function test_file(path, shown)
  local text, message = paths.read(path)
  if not text then return problem.fail("not_found", "the test cannot be read: " .. message) end
  return { name = paths.name(path):sub(1, -#SUFFIX - 1), path = path, file = shown, text = text,
           tape = path:gsub("%.lua$", ".tape.json") }
end

local function by_name(place, name)
  if name:sub(-#SUFFIX) == SUFFIX then
    local path = paths.real(name)
    if path then return test_file(path, name) end
    return problem.fail("not_found", ("there is no test at %s"):format(name))
  end
  local shown = paths.join("melodies", name .. SUFFIX)
  local path = paths.join(place.dir, shown)
  if paths.kind(path) == "file" then return test_file(path, shown) end
  return problem.fail("not_found", ("there is no %s"):format(shown),
    { hint = "symphony melody test   runs all tests there are" })
end

--- The test files that are meant: by name or path, else all of the project's.
---@param place Place
---@param names string[]
---@return TestFile[]?, Problem?
function M.find(place, names)
  local list = {}
  if #names == 0 then
    for _, file in ipairs(paths.names(paths.join(place.dir, "melodies")) or {}) do
      if file:sub(-#SUFFIX) == SUFFIX then names[#names + 1] = file:sub(1, -#SUFFIX - 1) end
    end
    table.sort(names)
  end
  for i, name in ipairs(names) do
    local found, why = by_name(place, name)
    if not found then return nil, why end
    list[i] = found
  end
  if #list > 0 then return list end
  return problem.fail("not_found", "there are no tests",
    { hint = "they lie beside the melodies: melodies/NAME_test.lua" })
end

--- Evaluates a piece of source that requires the test file as `test`.
local function evaluate(test, source, args)
  local others = melodies.module { path = test.path, file = test.file }
  return isolate.evaluate {
    source = source, chunk = "test", profile = "melody", memory_bytes = MEMORY_BYTES, cpu_ms = CPU_MS, args = args,
    module = function(name)
      if name == "the_test" then return test.text, test.file end
      return others(name)
    end,
  }
end

local function failure(test, err)
  if type(err) ~= "table" then err = { message = tostring(err) } end
  local file, line, said = tostring(err.message):match("^([^\n:]-):(%d+): ([^\n]*)")
  local known = file == test.file
  local hint = tostring(err.message):match("\n([^\n]+)")
  return problem.fail(err.code == "timeout" and "timeout" or "melody_invalid",
    known and said or tostring(err.message):match("^[^\n]*"),
    { file = test.file, line = known and math.tointeger(tonumber(line)) or nil,
      hint = hint and not hint:find("^%s*stack traceback") and hint or nil })
end

--- The cases of a test file.
---@param test TestFile
---@return { melody: string, cases: table[] }?, Problem?
function M.load(test)
  local data, err = evaluate(test, 'return require("melody.test").data(require "the_test")')
  if data == nil then return failure(test, err) end
  if #data.cases > 0 then return data end
  return problem.fail("melody_invalid", "the test has no cases", { file = test.file, hint = 't:case("name", { … })' })
end

--- What the function of a case says about a run.
---@param test TestFile
---@param name string of the case
---@param run table
---@return string? message what is wrong
function M.check(test, name, run)
  local said, err = evaluate(test, CHECK, { name, run })
  if said == nil then return type(err) == "table" and err.message or tostring(err) end
  return not said.ok and said.message or nil
end

--- The recordings of a test: entries by case.
---@param test TestFile
---@return table<string, table[]>?, Problem?
function M.recordings(test)
  if paths.kind(test.tape) ~= "file" then return {} end
  local text, message = require("sy.fs").read(test.tape, { max = RECORDING_BYTES })
  local value, failed
  if text then value, failed = json.decode(text) end
  if type(value) == "table" and type(value.cases) == "table" and value.format == 1 then return value.cases end
  return problem.fail("melody_invalid", "the recording cannot be read: " .. tostring(message or failed or "it is none"),
    { file = test.tape, hint = "symphony melody test --record   makes it anew" })
end

--- Keeps what was called, by case.
---@param test TestFile
---@param melody string
---@param cases table<string, table[]>
---@return boolean?, Problem?
function M.record(test, melody, cases)
  local text = json.encode({ format = 1, melody = melody, cases = cases }, { pretty = true }) .. "\n"
  local ok, message = paths.write(test.tape, text)
  if ok then return true end
  return problem.fail("io_error", "the recording cannot be written: " .. tostring(message))
end

return M
