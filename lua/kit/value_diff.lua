--- Where two values differ: a list of paths, each with what it was and what it is. Texts of several lines and artifacts
--- are compared as such. Maps are compared by name; of lists the equal beginning and end are left out, the rest is
--- compared place by place.
local diff = require "diff"
local json = require "sy.json"

local M = {}

local LONG_TEXT = 80
local MAX_TEXT = 1 << 20
local MAX_CHANGES = 500

---@class ValueChange
---@field path string as references are written: files[2].size; "" for the value itself
---@field kind "added"|"removed"|"changed"
---@field from any nil when added
---@field to any nil when removed
---@field patch string? in the unified format, of two long texts

local function is_list(value)
  return type(value) == "table" and json.is_array(value)
end

local function is_map(value)
  return type(value) == "table" and not json.is_array(value)
end

--- The hash of an artifact reference, else nil.
---@param value any
---@return string?
function M.artifact(value)
  local hash = is_map(value) and rawget(value, "$artifact")
  return type(hash) == "string" and hash or nil
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  return json.encode(a) == json.encode(b)
end

local function below(path, key)
  if type(key) == "number" then return ("%s[%d]"):format(path, key) end
  if not key:match("^[%a_][%w_]*$") then return ("%s[%s]"):format(path, json.encode(key)) end
  return path == "" and key or path .. "." .. key
end

local function is_long(text)
  return text:find("\n", 1, true) ~= nil or #text > LONG_TEXT
end

local Walk = {}
Walk.__index = Walk

function Walk:add(change)
  self.count = self.count + 1
  if self.count <= self.most then self.list[self.count] = change end
end

local function patch_of(a, b)
  if type(a) ~= "string" or type(b) ~= "string" then return nil end
  if not is_long(a) and not is_long(b) or #a > MAX_TEXT or #b > MAX_TEXT then return nil end
  return diff.unified(a, b, { from = "before", to = "after" })
end

function Walk:maps(a, b, path)
  local keys = {}
  for key in pairs(a) do keys[#keys + 1] = key end
  for key in pairs(b) do
    if a[key] == nil then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do self:values(a[key], b[key], below(path, key)) end
end

--- The places of two lists that are not in their equal beginning or end.
local function middle(a, b)
  local first, last_a, last_b = 1, #a, #b
  while first <= last_a and first <= last_b and equal(a[first], b[first]) do first = first + 1 end
  while last_a >= first and last_b >= first and equal(a[last_a], b[last_b]) do
    last_a, last_b = last_a - 1, last_b - 1
  end
  return first, last_a, last_b
end

function Walk:lists(a, b, path)
  local first, last_a, last_b = middle(a, b)
  for i = first, math.max(last_a, last_b) do
    local old, new
    if i <= last_a then old = a[i] end
    if i <= last_b then new = b[i] end
    self:values(old, new, below(path, i))
  end
end

function Walk:values(a, b, path)
  if a == nil and b == nil then return end
  if a == nil then return self:add { path = path, kind = "added", to = b } end
  if b == nil then return self:add { path = path, kind = "removed", from = a } end
  if M.artifact(a) ~= M.artifact(b) then return self:add { path = path, kind = "changed", from = a, to = b } end
  if is_map(a) and is_map(b) then return self:maps(a, b, path) end
  if is_list(a) and is_list(b) then return self:lists(a, b, path) end
  if not equal(a, b) then
    self:add { path = path, kind = "changed", from = a, to = b, patch = patch_of(a, b) }
  end
end

--- What differs.
---@param a any nil: there is no such value
---@param b any
---@param options? { most: integer? } most: so many changes are listed (500)
---@return ValueChange[] changes
---@return integer more changes that are not listed
function M.changes(a, b, options)
  local walk = setmetatable({ list = {}, count = 0, most = options and options.most or MAX_CHANGES }, Walk)
  walk:values(a, b, "")
  return walk.list, math.max(0, walk.count - walk.most)
end

return M
