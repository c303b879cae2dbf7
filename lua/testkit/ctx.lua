--- Inside an isolate under test: `ctx` of an operation. What it is given is in testing.last().
local hash = require "hash"
local host = require "testing.host"
local json = require "json"
local state = require "testing.state"

local M = {}

local LEVELS = { debug = true, info = true, warn = true, error = true }

local function expect(value, kind, number, name)
  if type(value) ~= kind then
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(number, name, kind, type(value)), 3)
  end
end

local function keep(kind, bytes, metadata)
  local sum = "sha256:" .. hash.sha256(bytes)
  state.blobs[sum] = bytes
  table.insert(state.last.artifacts, { type = kind, bytes = bytes, metadata = metadata and host.ask("cross", metadata),
    hash = sum })
  return { ["$artifact"] = sum, size = #bytes, type = kind }
end

local Writer = {}
Writer.__index = Writer

function Writer:write(...)
  for _, piece in ipairs { ... } do table.insert(self.pieces, piece) end
  return self
end

function Writer:close()
  return keep(self.kind, table.concat(self.pieces), self.metadata)
end

local Reader = {}
Reader.__index = Reader

function Reader:read(count)
  if self.at > #self.bytes then return nil end
  local piece = self.bytes:sub(self.at, count and self.at + count - 1 or nil)
  self.at = self.at + #piece
  return piece
end

function Reader:lines()
  return self.bytes:gmatch "([^\n]*)\n?"
end

function Reader.close() end

local functions = {}

function functions.artifact(kind, bytes, metadata)
  expect(kind, "string", 1, "artifact")
  expect(bytes, "string", 2, "artifact")
  return keep(kind, bytes, metadata)
end

function functions.writer(kind, metadata)
  expect(kind, "string", 1, "writer")
  return setmetatable({ kind = kind, metadata = metadata, pieces = {} }, Writer)
end

function functions.open(ref)
  local sum = type(ref) == "table" and ref["$artifact"] or ref
  expect(sum, "string", 1, "open")
  if not state.blobs[sum] then return nil, ("there is no artifact %s"):format(sum), "not_found" end
  return setmetatable({ bytes = state.blobs[sum], at = 1 }, Reader)
end

function functions.emit(event_type, payload)
  expect(event_type, "string", 1, "emit")
  local crossed = json.null
  if payload ~= nil then crossed = host.ask("cross", payload) end
  table.insert(state.last.events, { type = event_type, payload = crossed })
  return true
end

function functions.progress(done, total, text)
  expect(done, "number", 1, "progress")
  table.insert(state.last.progress, { done = done, total = total or 0, text = text or "" })
end

function functions.stream(chunk)
  expect(chunk, "string", 1, "stream")
  state.last.stream = state.last.stream .. chunk
end

function functions.log(level, text)
  if not LEVELS[level] then error(("bad argument #1 to 'log' (invalid option '%s')"):format(tostring(level)), 2) end
  expect(text, "string", 2, "log")
  table.insert(state.last.logs, { level = level, text = text })
end

function functions.usage(used)
  expect(used, "table", 1, "usage")
  local sum = state.last.usage
  sum.usd, sum.tokens = sum.usd + (used.usd or 0), sum.tokens + (used.tokens or 0)
end

function functions.retry(message, code)
  expect(message, "string", 1, "retry")
  state.last.transient = true
  return nil, message, code or "retry"
end

function functions.cancelled()
  return state.cancelled
end

local EDITOR = { "buffer", "selection", "edit", "diagnostics", "open", "pick", "input", "notify" }

local function editor()
  local verbs, granted = {}, false
  for _, right in ipairs { "read", "edit", "ui" } do granted = granted or host.allows("editor", right) end
  if not granted then return nil end
  for _, verb in ipairs(EDITOR) do
    verbs[verb] = function() return nil, "no editor is attached", "no_editor" end
  end
  return verbs
end

--- A ctx as a call gets it.
---@return table
function M.new()
  local ctx = { trusted = state.trusted, deadline = state.about.timeout_s, editor = editor() }
  for name, fn in pairs(functions) do ctx[name] = fn end
  return ctx
end

return M
