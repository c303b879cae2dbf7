--- Mistakes in the code of an extension that can be seen without running it: names that mean nothing in an isolate,
--- globals that are set, locals that nothing reads. Where luacheck is installed it says the last two.
local fs = require "sy.fs"
local problem = require "kit.problem"
local process = require "sy.process"
local scopes = require "kit.author.scopes"

local M = {}

local KNOWN = {}
for name in ([[_ENV _G _VERSION assert collectgarbage coroutine error getmetatable ipairs load math next os pairs pcall
  print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type utf8 warn
  xpcall]]):gmatch "%S+" do
  KNOWN[name] = true
end

local OS = { clock = true, date = true, difftime = true, time = true }

local INSTEAD = {
  io = 'require "fs", with the capability fs.read or fs.write',
  debug = "error(message, level) and ctx.log",
  package = "require, which finds the modules of its own folder and of the library",
  dofile = "require",
  loadfile = "require",
  loadstring = "load",
  unpack = "table.unpack",
  setfenv = "the fourth argument of load",
  execute = 'require "process", with the capability process',
  popen = 'require "process", with the capability process',
  getenv = 'the capability env, which gives the variable to the programs of require "process"',
  exit = "return, or error(message)",
  remove = 'fs.remove of require "fs"',
  rename = 'fs.move of require "fs"',
  tmpname = 'require "fs", with the grant $TMP',
}

--- A problem at a token.
---@param file string
---@param source string
---@param token melody.Token
---@param message string
---@param more? { severity: string?, hint: string? }
---@return Problem
function M.at(file, source, token, message, more)
  more = more or {}
  local why = problem.new(more.code or "extension_error", message,
    { file = file, line = token.line, hint = more.hint, severity = more.severity })
  local line = require("melody.lexer").line_at(source, token.pos)
  local start = #source:sub(1, token.pos - 1):match "[^\n]*$"
  local indent = #line:match "^%s*"
  why.source_line, why.col = line:sub(indent + 1), start - indent + 1
  why.length = math.max(1, token.stop - token.pos + 1)
  return why
end

local CALLS = { ["."] = true, [":"] = true, ["("] = true, ["["] = true, ["{"] = true }

local function unknown(file, source, read, use, out)
  local token, behind = read.tokens[use.at], read.tokens[use.at + 1]
  local fails = CALLS[behind.text] and behind.kind == "op" or behind.kind == "string"
  out[#out + 1] = M.at(file, source, token, ("`%s` means nothing here: it is nil"):format(use.name), {
    severity = not fails and "warning" or nil, hint = INSTEAD[use.name] and "use " .. INSTEAD[use.name] or nil })
end

--- os.getenv and others that an isolate has not.
local function of_os(file, source, read, use, out)
  local field = read.tokens[use.at + 2]
  if read.tokens[use.at + 1].text ~= "." or OS[field.text] then return end
  out[#out + 1] = M.at(file, source, field, ("os has no `%s` here"):format(field.text),
    { hint = INSTEAD[field.text] and "use " .. INSTEAD[field.text] or nil })
end

local function names(file, source, read, set, out, all)
  for _, use in ipairs(read.globals) do
    if use.name == "os" then
      of_os(file, source, read, use, out)
    elseif use.set and not KNOWN[use.name] then
      if all then
        out[#out + 1] = M.at(file, source, read.tokens[use.at], ("it sets the global `%s`"):format(use.name),
          { severity = "warning", hint = "local " .. use.name })
      end
    elseif not KNOWN[use.name] and not set[use.name] then
      unknown(file, source, read, use, out)
    end
  end
end

local function known_list()
  local list = {}
  for name in pairs(KNOWN) do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- What luacheck says of a file: unused values and the like. nil: it is not there.
local function luacheck(file, source, out)
  if not process.which "luacheck" then return nil end
  local dir = fs.tempdir(nil, "symphony-lint-")
  if not dir then return nil end
  fs.write(dir .. "/code.lua", source)
  local argv = { "luacheck", "--no-config", "--no-color", "--codes", "--ranges", "--formatter", "plain", "--no-cache",
    "--std", "none", "--no-max-line-length", "--ignore", "113", "143", "6..", "21./_.*", "212", "--globals" }
  table.move(known_list(), 1, 100, #argv + 1, argv)
  argv[#argv + 1], argv[#argv + 2] = "--", dir .. "/code.lua"
  local ran = process.run { argv = argv, timeout = 20 }
  fs.rmtree(dir)
  if not ran or ran.exit_code > 2 then return nil end
  for line, first, last, code, said in ran.stdout:gmatch "code%.lua:(%d+):(%d+)%-(%d+): %((%u%d+)%) ([^\n]*)" do
    local number, from = math.tointeger(tonumber(line)), math.tointeger(tonumber(first))
    local why = problem.new("extension_error", said, { file = file, line = number, severity = "warning",
      hint = "luacheck " .. code })
    local text = require("kit.author.excerpt").line(source, number) or ""
    local indent = #text:match "^%s*"
    why.source_line, why.col = text:sub(indent + 1), math.max(1, from - indent)
    why.length = math.tointeger(tonumber(last)) - from + 1
    out[#out + 1] = why
  end
  return true
end

--- The globals that any file sets: others may read them.
local function all_set(reads)
  local set = {}
  for _, read in pairs(reads) do
    for _, use in ipairs(read.globals) do
      if use.set then set[use.name] = true end
    end
  end
  return set
end

--- Looks at the files of an extension.
---@param files table<string, string> path → text; all of them compile
---@param shown fun(path: string): string
---@param out Problem[]
---@return table<string, author.Scopes>
function M.check(files, shown, out)
  local reads, order = {}, {}
  for path, source in pairs(files) do
    reads[path] = scopes.read(source)
    order[#order + 1] = path
  end
  table.sort(order)
  local set = all_set(reads)
  for _, path in ipairs(order) do
    local read, source = reads[path], files[path]
    local done = luacheck(shown(path), source, out)
    if read then names(shown(path), source, read, set, out, not done) end
    for _, one in ipairs(not done and read and read.unused or {}) do
      out[#out + 1] = M.at(shown(path), source, read.tokens[one.at], ("nothing reads `%s`"):format(one.name),
        { severity = "warning" })
    end
  end
  return reads
end

return M
