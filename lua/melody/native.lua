--- What the builder knows of the running code: where a call stands, and what a function is made of. A melody's isolate
--- has of `debug` only the reading half, getinfo and getupvalue.
local getinfo, getupvalue = debug.getinfo, debug.getupvalue

local M = {}

local MAX_LEVEL = 60

local names = {} -- source as Lua has it → chunk name

local function chunk_of(info)
  local name = names[info.source]
  if not name then
    name = info.source:gsub("^[@=]", "")
    names[info.source] = name
  end
  return name
end

--- Chunks of the builder itself: nothing is ever blamed on them.
local own = {}

--- Registers the calling file as part of the builder.
function M.own()
  own[chunk_of(getinfo(2, "S"))] = true
end

--- The place in the author's source that called into the builder.
---@param first? integer how many frames surely belong to the builder (a tail call leaves none), default 1
---@return string? chunk
---@return integer? line
function M.place(first)
  for level = 1 + (first or 1), MAX_LEVEL do
    local info = getinfo(level, "Sl")
    if not info then return nil end
    local chunk = chunk_of(info)
    if info.currentline > 0 and not own[chunk] then return chunk, info.currentline end
  end
end

--- Whether the function that called the caller is a C function, such as the iterator of ipairs.
---@return boolean
function M.called_by_library()
  local info = getinfo(3, "S")
  return info ~= nil and info.what == "C"
end

--- Where a function is written and what it has captured.
---@param fn function
---@return { first: integer, last: integer, chunk: string, upvalues: { name: string, value: any }[] }
function M.funcinfo(fn)
  local info, upvalues = getinfo(fn, "S"), {}
  for i = 1, 255 do
    local name, value = getupvalue(fn, i)
    if not name then break end
    upvalues[i] = { name = name, value = value }
  end
  return { first = info.linedefined, last = info.lastlinedefined, chunk = chunk_of(info), upvalues = upvalues }
end

M.own()

return M
