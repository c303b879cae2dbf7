--- Handles: what `task`, `each` and `param` return. They stand for values that exist only when the melody runs.
--- Runs inside a melody's isolate. Every field of a handle is a handle; every use as a value is an error.
local native = require "melody.native"

local M = {}

local details = setmetatable({}, { __mode = "k" }) -- handle → {kind, path, edge, absent}
local meta = { __metatable = "melody.handle" }

--- Raises an error that points at the user's line; a second line of the message is its hint.
---@param message string
---@param hint? string
function M.fail(message, hint)
  local chunk, line = native.place()
  local where = chunk and ("%s:%d: "):format(chunk, line) or ""
  error(where .. message .. (hint and "\n" .. hint or ""), 0)
end

---@param kind "ref"|"param"|"own"
---@param path (string|integer)[]
---@param edge? string
---@param absent? any
function M.new(kind, path, edge, absent)
  local handle = setmetatable({}, meta)
  details[handle] = { kind = kind, path = path, edge = edge, absent = absent }
  return handle
end

--- What a handle stands for; nil for any other value.
---@return { kind: string, path: (string|integer)[], edge: string?, absent: any }?
function M.details(value)
  return type(value) == "table" and details[value] or nil
end

--- "diff.files[1]", for messages.
function M.name(value)
  local parts = {}
  for i, part in ipairs(details[value].path) do
    local plain = type(part) == "string" and part:find("^[%a_][%w_]*$")
    parts[i] = i == 1 and tostring(part) or plain and "." .. part
               or ("[%s]"):format(type(part) == "string" and ("%q"):format(part) or part)
  end
  local before = { param = "params.", own = "melody." }
  return (before[details[value].kind] or "") .. table.concat(parts)
end

local function misuse(what, hint)
  return function(a, b)
    local handle = details[a] and a or b
    M.fail(("`%s` has no value yet: it cannot be %s here"):format(M.name(handle), what),
           (hint:gsub("NAME", function() return M.name(handle) end)))
  end
end

local iterated = misuse("iterated", "use m:each(key, NAME, operation, fn) to do something with every item")

function meta.__index(handle, key)
  local kind = type(key)
  if kind ~= "string" and math.type(key) ~= "integer" then
    M.fail(("`%s` is indexed with a %s"):format(M.name(handle), M.details(key) and "handle" or kind),
           "use a field name or a position from 1")
  end
  if kind == "number" and native.called_by_library() then iterated(handle) end
  if kind == "number" and key < 1 then
    M.fail(("`%s[%d]`: positions count from 1"):format(M.name(handle), key))
  end
  local d = details[handle]
  local path = table.move(d.path, 1, #d.path, 1, {})
  path[#path + 1] = key
  return M.new(d.kind, path, d.edge, d.absent)
end

function meta.__newindex(handle)
  M.fail(("`%s` cannot be assigned to: it is what another task returns"):format(M.name(handle)))
end

local compute = "compute it when the melody runs: in `when`, in the function of each, or in an operation"
meta.__len = misuse("counted with #", 'write it as a condition: when = "#NAME > 0"')
meta.__concat = misuse("joined with ..", 'use a template: m.text"… {NAME} …"')
meta.__tostring = misuse("turned into a string", 'use a template: m.text"{NAME}"')
meta.__call = misuse("called", "use m:task(key, operation, input) to run an operation on it")
meta.__pairs = iterated
for name in ("add sub mul div mod pow unm idiv band bor bxor bnot shl shr"):gmatch("%a+") do
  meta["__" .. name] = misuse("computed with", compute)
end
for name in ("eq lt le"):gmatch("%a+") do
  meta["__" .. name] = misuse("compared", 'write it as a condition: when = "NAME == …"')
end

native.own()

return M
