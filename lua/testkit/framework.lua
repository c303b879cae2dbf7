--- Inside an isolate: loads busted and luassert as they are installed, in an environment of their own. What they expect
--- of a whole Lua (debug, io, package, penlight) is given to them here; the extension under test sees none of it.
local host = require "testing.host"
local time = require "real.time"

local M = {}

local loaded = {}

local debugging = {
  getinfo = host.getinfo,
  getupvalue = host.getupvalue,
  setupvalue = host.setupvalue,
  upvaluejoin = host.upvaluejoin,
  traceback = host.traceback,
  getmetatable = function(value) return getmetatable(value) or nil end,
  setmetatable = function(value, meta) return type(value) == "table" and setmetatable(value, meta) or value end,
}

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

--- What of penlight and luasystem busted uses here.
local stand_ins = {
  ["pl.path"] = { dirname = function(path) return path:match("^(.*)/[^/]*$") or "" end },
  ["pl.pretty"] = { write = function(value) return require("json").encode(value, { lossy = true }) end },
  ["pl.tablex"] = { copy = copy },
  ["pl.utils"] = { execute = function() return nil, "not in a test" end, split = function(text) return { text } end },
  ["busted.fixtures"] = {},
  system = {
    gettime = function() return time.now_ms() / 1000 end,
    monotime = function() return time.monotonic() / 1000 end,
    sleep = function() end,
  },
}

local env = setmetatable({ debug = debugging, io = { type = function() end, stdout = {} },
  package = { loaded = {}, config = "/\n;\n?\n!\n-\n" }, os = os }, { __index = _G })

--- A module of busted or luassert.
---@param name string
---@return any
function M.require(name)
  if loaded[name] ~= nil then return loaded[name] end
  if stand_ins[name] then return stand_ins[name] end
  local found = host.ask("framework", name)
  if not found then error(("module '%s' is not available"):format(name), 2) end
  local chunk, why = load(found.source, "@" .. found.chunk, "t", env)
  if not chunk then error(why, 0) end
  local value = chunk(name)
  loaded[name] = value == nil or value
  return loaded[name]
end

env.require = M.require

return M
