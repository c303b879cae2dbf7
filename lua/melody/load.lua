--- Loads a melody: a Lua file is evaluated in an isolate without capabilities, a JSON file is read. Either gives a
--- definition in its normal form, the texts it came from, and what is wrong with its shape.
local definition_of = require "melody.definition"
local isolate = require "sy.isolate"
local lexer = require "melody.lexer"
local problem = require "melody.problem"

local M = {}

M.MEMORY_BYTES = 64 << 20
M.CPU_MS = 2000
M.SOURCE_BYTES = 1 << 20

---@class melody.Loaded
---@field definition table? nil when there is none
---@field problems melody.Problem[] of its shape; check.run takes them
---@field sources table<string, string> text of each file by the name shown in messages

---@class melody.LoadOptions
---@field file string the melody's file as messages show it, such as "melodies/review.lua"
---@field module? fun(name: string): string?, string? a module of the melody's own folder: text and file name

--- Names that a melody may require besides `melody`, the library and its folder never reach it; say why.
local FORBIDDEN = { host = true, io = true, os = true, debug = true, package = true, process = true, fs = true,
                    http = true, ffi = true, symphony = true }

local SANDBOX = "a melody only describes work: files, programs and the network are reached by operations"

local NIL_CALL = "attempt to [%a]+ a nil value %((%w+) '([%w_.]+)'%)"
local UNSAFE = { execute = "os.execute", exit = "os.exit", remove = "os.remove", rename = "os.rename",
                 getenv = "os.getenv", tmpname = "os.tmpname", popen = "io.popen", io = "io", debug = "debug",
                 dofile = "dofile", loadfile = "loadfile", package = "package" }

--- Says in words what a melody tried that its isolate does not have.
local function explain(message)
  local _, name = message:match(NIL_CALL)
  local unsafe = name and UNSAFE[name]
  if unsafe then return ("a melody cannot use `%s`"):format(unsafe), SANDBOX end
  local module = message:match("module '([^']+)' not found") or message:match("no module '([^']+)'")
  if module then
    local hint = FORBIDDEN[module] and SANDBOX
                 or "require reaches `melody`, the pure library and the files of melodies/ only"
    return ("a melody cannot require `%s`"):format(module), hint
  end
  return message, nil
end

--- Which file a chunk name in a message stands for; Lua shortens long ones.
local function file_of(chunk, sources)
  if sources[chunk] then return chunk end
  local tail = chunk:match("^%.%.%.(.*)$")
  for file in pairs(sources) do
    if tail and file:sub(-#tail) == tail then return file end
  end
end

--- Splits "file:line: message\nhint".
local function dissect(text, sources)
  local chunk, line, rest = text:match("^([^\n]-):(%d+): (.*)$")
  local file = chunk and file_of(chunk, sources)
  if not file then return text, nil, nil end
  return rest, file, math.tointeger(line)
end

local function failure(err, options, sources)
  if type(err) ~= "table" then err = { message = tostring(err) } end
  local where = type(err.where) == "table" and err.where or {}
  local text, file, line = dissect(tostring(err.message), sources)
  local message, hint = text:match("^([^\n]*)\n?([^\n]*)")
  local explained, why = explain(message)
  local code = (err.code == "timeout" or err.code == "memory_limit") and err.code or "melody_invalid"
  if code == "timeout" then why = "a melody may run for 2 s; loops belong into operations" end
  if hint == "" or hint:find("^%s") or hint:find("^stack traceback") then hint = nil end
  if not file and type(where.file) == "string" then
    file = file_of(where.file, sources)
    local known = math.type(where.line) == "integer" and where.line > 0 and (file or where.file == "")
    line = known and where.line or nil
  end
  return problem.new(code, explained, {
    file = file or options.file, line = line,
    hint = hint or why or type(err.hint) == "string" and err.hint ~= "" and err.hint or nil,
  })
end

--- The tokens of the files, each split once.
local function token_cache(sources)
  return setmetatable({}, { __index = function(cache, file)
    local tokens = sources[file] and lexer.tokens(sources[file]) or false
    cache[file] = tokens
    return tokens
  end })
end

--- Cuts the text of each function out of the source it stands in.
local function cut_function(stored, sources, main, cache, report)
  local place = stored["$function"]
  local file = place.chunk and file_of(place.chunk, sources) or main
  local tokens, text, why = cache[file], nil, nil
  if tokens then text, why = lexer.function_text(sources[file], tokens, place.first) end
  if not text then
    report(("this function cannot be stored: %s"):format(why or "its source is not known"), file, place.first,
           why and why:find("two") and "begin each on a line of its own" or nil)
    return nil
  end
  return { lua = text, line = place.first, file = file ~= main and file or nil, captures = place.captures }
end

local function cut_functions(raw, sources, main)
  local problems, cache = {}, token_cache(sources)
  for _, task in ipairs(type(raw) == "table" and raw.tasks or {}) do
    local function report(message, file, line, hint)
      problems[#problems + 1] = problem.new("melody_invalid", message,
                                            { file = file, line = line, task = task.key, hint = hint })
    end
    local function cut(value)
      if type(value) ~= "table" or not value["$function"] then return value end
      return cut_function(value, sources, main, cache, report)
    end
    task.fn, task["until"] = cut(task.fn), cut(task["until"])
    if task.file then task.file = file_of(task.file, sources) end
    if task.options then task.options.when = cut(task.options.when) end
  end
  return problems
end

local function evaluate(source, options, sources)
  local function module(name)
    if not options.module then return nil end
    local text, file = options.module(name)
    if text then sources[file] = text end
    return text, file
  end
  return isolate.evaluate {
    source = source, chunk = options.file, module = module, profile = "melody",
    memory_bytes = M.MEMORY_BYTES, cpu_ms = M.CPU_MS,
  }
end

--- Loads the text of a Lua melody.
---@param source string
---@param options melody.LoadOptions
---@return melody.Loaded
function M.lua(source, options)
  local sources = { [options.file] = source }
  if #source > M.SOURCE_BYTES then
    local made = problem.new("melody_invalid", "the source is larger than 1 MiB", { file = options.file })
    return { problems = { made }, sources = sources }
  end
  local raw, err = evaluate(source, options, sources)
  if raw == nil and err then return { problems = { failure(err, options, sources) }, sources = sources } end
  if type(raw) ~= "table" or type(raw.tasks) ~= "table" then
    local made = problem.new("melody_invalid", "the file does not return a melody",
                             { file = options.file, hint = "end it with `return m`, where m = melody \"name\"" })
    return { problems = { made }, sources = sources }
  end
  local problems = cut_functions(raw, sources, options.file)
  if #problems > 0 then return { problems = problems, sources = sources } end
  local definition, found = definition_of.normalise(raw, options.file)
  return { definition = definition, problems = found, sources = sources }
end

--- The line of each task in JSON text, by its key, for tasks that do not say it themselves.
local function write_lines(text, definition)
  local line, at = 1, 1
  local lines = {}
  for pos, key in text:gmatch('()"key"%s*:%s*"([^"]*)"') do
    local _, n = text:sub(at, pos - 1):gsub("\n", "")
    line, at = line + n, pos
    lines[key] = lines[key] or line
  end
  return lines, definition
end

--- Loads the text of a JSON melody.
---@param text string
---@param options melody.LoadOptions
---@return melody.Loaded
function M.json(text, options)
  local definition, problems = definition_of.decode(text, options.file)
  local lines = write_lines(text)
  for _, p in ipairs(problems) do
    if p.where.task and not p.where.line then p.where.line = lines[p.where.task] end
  end
  return { definition = definition, problems = problems, sources = { [options.file] = text }, lines = lines }
end

--- Loads a melody by the ending of its file name.
---@param text string
---@param options melody.LoadOptions
---@return melody.Loaded
function M.text(text, options)
  if options.file:find("%.json$") then return M.json(text, options) end
  return M.lua(text, options)
end

return M
