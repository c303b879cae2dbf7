--- Reads a file that `export` wrote, from its first byte to its last, and believes nothing of it: every entry against
--- its hash, every row against the schema, the melody against its own hash. Nothing is written, nothing is executed.
local check = require "kit.import_check"
local hash = require "sy.hash"
local json = require "sy.json"
local pack = require "sy.pack"
local parcel_check = require "kit.parcel_check"
local problem = require "kit.problem"
local transfer = require "kit.transfer"

local M = {}

local KINDS = {}
for _, one in ipairs(transfer.TABLES) do KINDS[one.name] = one end

---@class Parcel what a file holds
---@field path string
---@field manifest table
---@field run table its row
---@field melody table?
---@field definition table
---@field extensions table[]
---@field counts table<string, integer> rows by table, and `blob`
---@field bytes integer unpacked
---@field sums table<string, { size: integer, hash: string }>

local Reader = {}
Reader.__index = Reader

-- ---- entries ----

local function decoded(text, what)
  local value, message = json.decode(text)
  if value == nil then return check.refuse(("%s: %s"):format(what, message)) end
  return value
end

local function is_object(value)
  return type(value) == "table" and not json.is_array(value)
end

function Reader:json(name, size)
  if size > transfer.MAX_JSON then return check.refuse(name .. " is too large") end
  local text, message, code = self.file:read()
  if not text then return nil, problem.from(message, code) end
  self.sums[name] = { size = size, hash = "sha256:" .. hash.sha256(text) }
  return decoded(text, name)
end

function Reader:digest(name, size)
  local digest, message, code = self.file:digest()
  if not digest then return nil, problem.from(message, code) end
  self.sums[name] = { size = size, hash = digest }
  return digest
end

function Reader:rows(name, size)
  local kind = name:match "^([%l_]+)/%d+%.json$"
  local list, why = self:json(name, size)
  if not list then return nil, why end
  if not json.is_array(list) then return check.refuse(name .. " is no list of rows") end
  for _, row in ipairs(list) do
    local ok, bad = self.check[kind](row, name)
    if not ok then return nil, bad end
  end
  self.counts[kind] = (self.counts[kind] or 0) + #list
  if self.on_rows then return self.on_rows(kind, list) end
  return true
end

function Reader:blob(name, size)
  local found = "sha256:" .. name:sub(7)
  if not check.is_hash(found) then return check.refuse(name .. " has no name of a content") end
  self.counts.blob = (self.counts.blob or 0) + 1
  if self.on_blob then return self.on_blob(self.file, found) end
  local digest, why = self:digest(name, size)
  if not digest then return nil, why end
  if digest ~= found then return check.refuse(name .. " is not what it was") end
  return true
end

local SINGLE = { ["run.json"] = "run", ["melody.json"] = "melody", ["extensions.json"] = "extensions",
  ["sums.json"] = "given_sums" }

function Reader:entry(name, size)
  if SINGLE[name] then
    local value, why = self:json(name, size)
    self[SINGLE[name]] = value
    return value ~= nil or nil, why
  end
  if KINDS[name:match "^([%l_]+)/%d+%.json$" or ""] then return self:rows(name, size) end
  if name:match "^blobs/%x+$" then return self:blob(name, size) end
  if name:match "^code/" then
    if size > transfer.MAX_CODE then return check.refuse(name .. " is too large") end
    return self:digest(name, size)
  end
  return check.refuse(("it has an entry `%s` that does not belong there"):format(name))
end

--- Calls `fn` with every entry; `sums.json` is the last.
function Reader:each(fn)
  local last
  while true do
    local name, size, code = self.file:next()
    if name == nil then return nil, problem.from(size, code) end
    if name == false then break end
    if last == "sums.json" then return check.refuse "it goes on behind its end" end
    local ok, why = fn(name, size, last == nil)
    if not ok then return nil, why end
    last = name
  end
  if last ~= "sums.json" then return check.refuse "its end is missing" end
  return true
end

-- ---- what it says ----

function Reader:read_manifest(name, size)
  if name ~= "manifest.json" then
    return problem.fail("file_invalid", "the file is no export of a run",
      { hint = "symphony export RUN > FILE   writes one" })
  end
  local value, why = self:json(name, size)
  if not value then return nil, why end
  if not is_object(value) or value.kind ~= transfer.KIND or not is_object(value.run) then
    return problem.fail("file_invalid", "the file is no export of a run")
  end
  if value.format ~= transfer.FORMAT then
    return problem.fail("file_invalid", ("the file has format %s, this version reads %d"):format(
      tostring(value.format), transfer.FORMAT), { hint = "it was written by a newer Symphony; nothing was changed" })
  end
  self.manifest = value
  return true
end

local function open(path, host, more)
  local file, message, code = pack.open(path, transfer.LIMITS)
  if not file then return nil, problem.from(message, code) end
  local reader = { path = path, file = file, sums = {}, counts = {}, check = {} }
  for name, value in pairs(more or {}) do reader[name] = value end
  for _, one in ipairs(transfer.TABLES) do reader.check[one.name] = check.checker(host, one) end
  reader.check.run = check.checker(host, { name = "pipeline_orchestration", json = transfer.RUN_JSON })
  return setmetatable(reader, Reader)
end

--- Reads all of a file and checks it.
---@param path string
---@param host table says which columns there are
---@param on_rows? fun(kind: string, rows: table[]): boolean? sees the rows, each checked
---@return Parcel?, Problem?
function M.verify(path, host, on_rows)
  local self, unopened = open(path, host, { on_rows = on_rows })
  if not self then return nil, unopened end
  local ok, why = self:each(function(name, size, first)
    if first then return self:read_manifest(name, size) end
    return self:entry(name, size)
  end)
  self.file:close()
  if not ok then return nil, why end
  ok, why = parcel_check.all(self)
  if not ok then return nil, why end
  self.bytes = 0
  for _, one in pairs(self.sums) do self.bytes = self.bytes + one.size end
  return self
end

--- Reads a verified file once more and hands over its rows and contents; refuses it when it has changed in between.
---@param parcel Parcel
---@param host table
---@param on_rows fun(kind: string, rows: table[]): boolean?, Problem?
---@param on_blob fun(file: table, hash: string): boolean?, Problem? takes the entry's bytes
---@return boolean?, Problem?
function M.again(parcel, host, on_rows, on_blob)
  local self, unopened = open(parcel.path, host, { on_rows = on_rows, on_blob = on_blob })
  if not self then return nil, unopened end
  local ok, why = self:each(function(name, size)
    local fine, bad
    if name == "manifest.json" then fine, bad = self:json(name, size) else fine, bad = self:entry(name, size) end
    local before, now = parcel.sums[name], self.sums[name]
    if fine and (not before or now and now.hash ~= before.hash) then
      return check.refuse "it changes while it is read"
    end
    return fine, bad
  end)
  self.file:close()
  return ok, why
end

return M
