--- Looks at every row of a file that came from elsewhere: known columns, of the right types, ids that are ids, JSON
--- that is JSON. Nothing here knows what the rows mean; the database refuses what its constraints forbid.
local hash = require "sy.hash"
local json = require "sy.json"
local problem = require "kit.problem"
local transfer = require "kit.transfer"

local M = {}

local ID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
local STAMP = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"
local HASH = "^sha256:" .. ("%x"):rep(64) .. "$"

local MOST_BYTES = 1 << 52 -- of a stream

--- `nil, problem`: the file is not what it should be.
---@param what string
---@return nil, Problem
function M.refuse(what)
  return problem.fail("file_invalid", "the file is damaged: " .. what,
    { hint = "nothing was changed; export the run once more, or copy the file again" })
end

function M.is_id(value)
  return type(value) == "string" and value:match(ID) ~= nil
end

function M.is_hash(value)
  return type(value) == "string" and value:match(HASH) ~= nil
end

--- A name as people may see it: letters, no control characters.
function M.is_name(value)
  return type(value) == "string" and #value <= 100 and value:match "^[%w_%-]+/?[%w_%-]*$" ~= nil
end

--- The key of a task: parts that are names or numbers.
function M.is_key(key)
  if type(key) ~= "string" or #key > transfer.MAX_KEY then return false end
  if key == "" then return true end
  for part in (key .. "/"):gmatch "([^/]*)/" do
    if not part:match "^[a-z_][a-z0-9_]*$" and not part:match "^[1-9]%d*$" then return false end
  end
  return true
end

local function is_number(value, integer)
  return math.type(value) == "integer" or not integer and type(value) == "number" and value == value
    and math.abs(value) ~= math.huge
end

local TYPES = {
  TEXT = function(value) return type(value) == "string" and utf8.len(value) ~= nil end,
  INTEGER = function(value) return is_number(value, true) end,
  REAL = function(value) return is_number(value, false) end,
  BLOB = function(value) return type(value) == "string" and hash.unbase64(value) ~= nil end,
}

local TYPE_NAMES = { TEXT = "text", INTEGER = "integer", REAL = "real", BLOB = "base64" }

local WORDS = {
  operation = "^[%w_/%-]+%.[%w_%.]+$", event_type = "^[%w_]+[%w_%.]*$", artifact_type = "^[%w_%-%.+/]+$",
  task_type = "^[%w_]+$", operation_type = "^[%w_]+$", status = "^%l+$", durability = "^%l+$",
}

--- What is wrong with the value of a column that is not null, or nil.
local function wrong(name, value, is_json)
  if name == "position" then return (value < 0 or value > MOST_BYTES) and "a place in a stream" or nil end
  if name == "key" then return not M.is_key(value) and "the key of a task" or nil end
  if (name == "id" or name:match "_id$" or name == "forked_from") and not M.is_id(value) then return "an id" end
  if name:match "_at$" and not value:match(STAMP) then return "a time" end
  if name:match "_hash$" and name ~= "code_hash" and not M.is_hash(value) then return "a hash" end
  if WORDS[name] and not value:match(WORDS[name]) then return "a word" end
  if is_json and json.decode(value) == nil then return "JSON" end
  return nil
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

--- Checks one row against the columns there are here.
---@param row any
---@param columns table<string, { type: string }>
---@param json_columns table<string, boolean>
---@param where string for messages
---@return boolean?, Problem?
function M.row(row, columns, json_columns, where)
  if type(row) ~= "table" or json.is_array(row) then return M.refuse(where .. " holds something else than rows") end
  for name, value in pairs(row) do
    local column = columns[name]
    if not column then
      local what = ("%s has `%s`, which this version does not know"):format(where, tostring(name))
      return problem.fail("file_invalid", what, { hint = "it was written by a newer Symphony; nothing was changed" })
    end
    if value ~= json.null then
      local fits = TYPES[column.type]
      local what = not (fits and fits(value)) and (TYPE_NAMES[column.type] or "known")
        or wrong(name, value, json_columns[name])
      if what then return M.refuse(("%s: `%s` is not %s"):format(where, name, what)) end
    end
  end
  return true
end

--- A checker for the rows of a table.
---@param host table
---@param one TransferTable
---@return fun(row: any, where: string): boolean?, Problem?
function M.checker(host, one)
  local columns, json_columns = transfer.columns(host, one.name), set_of(one.json)
  return function(row, where) return M.row(row, columns, json_columns, where) end
end

return M
