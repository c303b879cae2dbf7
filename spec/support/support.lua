--- What every spec may use: temporary folders, programs, waiting. `local support = require "support"`
---
---   local dir = support.tmpdir()                       -- removed at exit
---   support.write_file(dir .. "/a/b.txt", "text")      -- makes the folders above
---   support.read_file(dir .. "/a/b.txt")               -- the text, or nil
---   support.exists(path)                               -- whether it can be opened for reading
---
---   local r = support.symphony({"version", "--json"}, {cwd = dir})      -- the built program
---   local r = support.run({"git", "init"}, {cwd = dir, env = {GIT_DIR = false}, stdin = "…", timeout_s = 30})
---   r.code, r.out, r.err        -- exit code (nil when a signal ended it: r.signal), stdout, stderr
---   r.timed_out                 -- it was killed after timeout_s (default 60)
---   support.sh("git init -q . && git add -A", {cwd = dir})  -- as run, through sh; raises unless the code is 0
---
---   local c = support.start(argv, options)             -- goes on while the spec does; also support.start_symphony
---   c:out(), c:err()            -- what it wrote so far
---   c:kill("INT")               -- a signal to it; c:kill("KILL", true): to its whole group
---   c:wait(seconds)             -- → the same table as run's, or nil while it still runs
---   c:write(text)               -- with {stdin_pipe = true} or {pty = true}; c:close_stdin()
---   c:pid()
---   -- options.pty = true: its streams are a terminal of options.columns (80) by 24; all it writes is in out()
---
---   support.wait_until(function () return c:out():find("ready") end, 10)   -- → what it returned, or raises
---
--- A child gets the environment of the spec (HOME and the XDG folders of its own, see spec/run) with `env` over
--- it; false removes a name. A child that is still there at the end of its spec file is killed.

local child = require "support.child"

local M = {}

--- The tree, and the programs built with it.
M.root = os.getenv "SYMPHONY_ROOT" or "."
M.bin = os.getenv "SYMPHONY_BIN" or M.root .. "/build/asan/symphony"

local SIGNALS = {HUP = 1, INT = 2, QUIT = 3, KILL = 9, TERM = 15, CONT = 18, STOP = 19}
local folders = {}

---@class support.options
---@field cwd? string
---@field env? table<string, string|false>
---@field stdin? string
---@field stdin_pipe? boolean
---@field pty? boolean
---@field columns? integer
---@field timeout_s? number

---@class support.result
---@field code? integer
---@field signal? integer
---@field out string
---@field err string
---@field timed_out boolean

--- A new empty folder.
---@return string
function M.tmpdir()
  local dir = child.mkdtemp()
  folders[#folders + 1] = dir
  return dir
end

local function environment(changes)
  local all = child.environment()
  for name, value in pairs(changes or {}) do all[name] = value end
  local list = {}
  for name, value in pairs(all) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local Child = {}
Child.__index = Child

function Child:out() return self.raw:out() end
function Child:err() return self.raw:err() end
function Child:pid() return self.raw:pid() end
function Child:write(text) return self.raw:write(text) end
function Child:close_stdin() self.raw:close_stdin() end

function Child:kill(signal, group)
  self.raw:kill(SIGNALS[signal] or error("no signal " .. tostring(signal)), group)
end

---@return support.result?
function Child:wait(seconds)
  if not self.raw:wait(math.floor((seconds or 60) * 1000)) then return nil end
  local code, signal = self.raw:code()
  return {code = code, signal = signal, out = self.raw:out(), err = self.raw:err(), timed_out = false}
end

--- Starts a program and returns at once.
---@param argv string[]
---@param options? support.options
function M.start(argv, options)
  options = options or {}
  return setmetatable({raw = child.start(argv, environment(options.env), options)}, Child)
end

--- Runs a program to its end.
---@param argv string[]
---@param options? support.options
---@return support.result
function M.run(argv, options)
  local c = M.start(argv, options)
  local result = c:wait(options and options.timeout_s or 60)
  if not result then
    c:kill("KILL", true)
    result = assert(c:wait(10), "a killed program did not end")
    result.timed_out = true
  end
  c.raw:free()
  return result
end

local function with_program(argv)
  return table.move(argv, 1, #argv, 2, {M.bin})
end

--- Runs the built `symphony`.
---@param argv string[]
---@param options? support.options
---@return support.result
function M.symphony(argv, options) return M.run(with_program(argv), options) end

--- Starts the built `symphony`.
---@param argv string[]
---@param options? support.options
function M.start_symphony(argv, options) return M.start(with_program(argv), options) end

--- Runs a line of shell for setting a scene; raises unless it succeeds.
---@param line string
---@param options? support.options
---@return string out
function M.sh(line, options)
  local r = M.run({"sh", "-ec", line}, options)
  if r.code ~= 0 then error(("`%s` ended with %s\n%s%s"):format(line, r.code or r.signal, r.out, r.err), 2) end
  return r.out
end

--- Looks until `condition` gives something true; raises after `seconds`.
---@generic T
---@param condition fun(): T?
---@param seconds? number default 10
---@return T
function M.wait_until(condition, seconds)
  local deadline = child.now_ms() + (seconds or 10) * 1000
  while true do
    local value = condition()
    if value then return value end
    if child.now_ms() > deadline then error("waited " .. (seconds or 10) .. " s in vain", 2) end
    child.pause_ms(2)
  end
end

--- Milliseconds of a clock that only goes forward.
---@return integer
function M.now_ms() return child.now_ms() end

---@param path string
---@return string? text
function M.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

---@param path string
---@param text string
function M.write_file(path, text)
  local file = io.open(path, "wb")
  if not file then
    M.run {"mkdir", "-p", "--", (path:gsub("/[^/]*$", ""))}
    file = assert(io.open(path, "wb"))
  end
  assert(file:write(text))
  assert(file:close())
end

---@param path string
---@return boolean
function M.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

--- Removes the temporary folders; called once, at the end.
function M.clean()
  if #folders > 0 then M.run(table.move(folders, 1, #folders, 4, {"rm", "-rf", "--"})) end
  folders = {}
end

return M
