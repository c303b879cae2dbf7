--- Comma-separated values (RFC 4180), whole or in pieces.
---
---   csv.decode("a,b\n1,2\n")                 → {{"a", "b"}, {"1", "2"}}
---   csv.decode("a,b\n1,2\n", {header = true}) → {{a = "1", b = "2"}}
---   local r = csv.reader(); r:feed(chunk) → rows so far; r:finish() → the last rows
---
--- Lines may end in LF, CRLF or CR. A field in quotes may hold separators, line ends and doubled quotes.

local M = {}

---@class csv.options
---@field separator? string one byte, default ","
---@field header? boolean the first row names the fields: rows become tables by name

---@class csv.reader
---@field private separator string
---@field private header boolean
---@field private rest string what was fed and not yet read
---@field private names string[]?
---@field private width integer? fields of the header
---@field private row integer rows read so far
---@field private failed string?
local Reader = {}
Reader.__index = Reader

local function check_separator(options)
  local separator = options and options.separator or ","
  if #separator ~= 1 or separator:find '[\r\n"]' then error("separator must be one byte, no quote or line end", 3) end
  return separator
end

--- A reader for text that comes in pieces.
---@param options? csv.options
---@return csv.reader
function M.reader(options)
  return setmetatable({
    separator = check_separator(options), header = options and options.header or false, rest = "", row = 0,
  }, Reader)
end

--- Reads a field in quotes; `at` is behind the opening quote. Returns the field and the position behind the
--- closing quote, or nil when the text ends before (the piece that follows may close it).
local function quoted(text, at, last)
  local parts = {}
  while true do
    local close = text:find('"', at, true)
    if not close or (close == #text and not last) then return nil end
    parts[#parts + 1] = text:sub(at, close - 1)
    if text:sub(close + 1, close + 1) ~= '"' then return table.concat(parts), close + 1 end
    parts[#parts + 1] = '"'
    at = close + 2
  end
end

--- Reads one row from `at`: the fields and the position behind its line end; nil: incomplete; nil, message: wrong.
local function read_row(self, text, at, last)
  local fields, separator = {}, self.separator
  local stop = "[%" .. separator .. "\r\n]"
  while true do
    local value, next_at
    if text:sub(at, at) == '"' then
      value, next_at = quoted(text, at + 1, last)
      if not value then return nil, last and "a quote is not closed" or nil end
    else
      next_at = text:find(stop, at) or #text + 1
      value = text:sub(at, next_at - 1)
      if value:find('"', 1, true) then return nil, "a quote inside of a field without quotes" end
    end
    fields[#fields + 1] = value
    local sign = text:sub(next_at, next_at)
    if sign == "" then
      if not last then return nil end
      return fields, next_at
    elseif sign == separator then
      at = next_at + 1
    elseif sign == "\n" then
      return fields, next_at + 1
    elseif sign == "\r" then
      if next_at == #text and not last then return nil end
      return fields, next_at + (text:sub(next_at + 1, next_at + 1) == "\n" and 2 or 1)
    else
      return nil, "something behind a closing quote"
    end
  end
end

--- The row as it is given out; nil, message when it does not fit the header; nil for the header itself.
local function shape(self, fields)
  if not self.header then return fields end
  if not self.names then
    self.names = fields
    return nil
  end
  if #fields ~= #self.names then return nil, ("%d fields where the header has %d"):format(#fields, #self.names) end
  local row = {}
  for i, name in ipairs(self.names) do row[name] = fields[i] end
  return row
end

local function read_rows(self, last)
  local rows, at, text = {}, 1, self.rest
  while at <= #text do
    local fields, next_at = read_row(self, text, at, last)
    local problem = not fields and next_at or nil
    if not fields and not problem then break end
    self.row = self.row + 1
    local row
    if fields then
      row, problem = shape(self, fields)
      at = next_at --[[@as integer]]
    end
    if problem then
      self.failed = ("row %d: %s"):format(self.row, problem)
      return nil, self.failed, "invalid_value"
    end
    rows[#rows + 1] = row
  end
  self.rest = text:sub(at)
  return rows
end

--- Takes a piece of the text and gives the rows that are complete.
---@param chunk string
---@return table[]? rows
---@return string? message
---@return string? code
function Reader:feed(chunk)
  if self.failed then return nil, self.failed, "invalid_value" end
  self.rest = self.rest .. chunk
  return read_rows(self, false)
end

--- Gives the rows that are left; the last may lack its line end.
---@return table[]? rows
---@return string? message
---@return string? code
function Reader:finish()
  if self.failed then return nil, self.failed, "invalid_value" end
  return read_rows(self, true)
end

--- Reads a whole text.
---@param text string
---@param options? csv.options
---@return table[]? rows
---@return string? message "row 3: what"
---@return string? code
function M.decode(text, options)
  local reader = M.reader(options)
  reader.rest = text
  return reader:finish()
end

local function field(value, separator)
  local text = value == nil and "" or tostring(value)
  if text == "" or not text:find("[%" .. separator .. '"\r\n]') and not text:find "^%s" and not text:find "%s$" then
    return text
  end
  return '"' .. text:gsub('"', '""') .. '"'
end

--- Writes rows with CRLF line ends. With `names` the rows are tables by name and the names are the first row.
---@param rows table[]
---@param options? {separator?: string, names?: string[]}
---@return string
function M.encode(rows, options)
  local separator, names = check_separator(options), options and options.names
  local out = {}
  local function add(row, count, key)
    local fields = {}
    for i = 1, count do fields[i] = field(row[key and key[i] or i], separator) end
    if count == 1 and fields[1] == "" then fields[1] = '""' end
    out[#out + 1] = table.concat(fields, separator) .. "\r\n"
  end
  if names then add(names, #names) end
  for _, row in ipairs(rows) do add(row, names and #names or #row, names) end
  return table.concat(out)
end

return M
