--- Changing one key of a config.toml: the line is replaced or added, everything else stays as it was written.
local M = {}

local function toml_text(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    if c == '"' or c == "\\" then return "\\" .. c end
    return ("\\u%04X"):format(c:byte())
  end) .. '"'
end

--- A plain value as TOML.
---@param value string|integer|boolean
---@return string
function M.value(value)
  if type(value) == "string" then return toml_text(value) end
  return tostring(value)
end

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  if #lines == 1 and lines[1] == "" then return {} end
  return lines
end

local function escape(text)
  return (text:gsub("%p", "%%%0"))
end

--- Where the section's lines begin and end; nil when it is not there.
local function section_range(lines, section)
  local first
  for i, line in ipairs(lines) do
    local header = line:match("^%s*%[%s*([^%[%]]-)%s*%]")
    if header and first then return first, i - 1 end
    if header == section then first = i end
  end
  if first then return first, #lines end
  return nil
end

local function find_key(lines, first, last, name)
  for i = first, last do
    if lines[i]:match("^%s*" .. escape(name) .. "%s*=") then return i end
  end
  return nil
end

local function split(key)
  return key:match("^(.*)%.([^.]+)$")
end

--- The text with `key` ("section.name") set; value nil removes it.
---@param text string
---@param key string
---@param value string|integer|boolean|nil
---@return string
function M.set(text, key, value)
  local section, name = split(key)
  local lines = lines_of(text)
  local line = value ~= nil and ("%s = %s"):format(name, M.value(value)) or nil
  local first, last = section_range(lines, section)
  local at = first and find_key(lines, first + 1, last, name)
  if at then
    if line then lines[at] = line else table.remove(lines, at) end
  elseif line and first then
    while last > first and lines[last]:match("^%s*$") do last = last - 1 end
    table.insert(lines, last + 1, line)
  elseif line then
    if #lines > 0 then lines[#lines + 1] = "" end
    lines[#lines + 1] = ("[%s]"):format(section)
    lines[#lines + 1] = line
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
