--- Laying out text in columns: widths count letters, not bytes.
local plain = require "kit.plain"

local M = {}

--- Columns a text takes; bytes that are no UTF-8 count one each, escape sequences none.
---@param text string
---@return integer
function M.width(text)
  text = text:gsub("\27%[[%d;]*m", "")
  return utf8.len(text) or #text
end

--- Text filled with spaces to a width.
---@param text string
---@param width integer
---@param right? boolean pushes it to the right
---@return string
function M.pad(text, width, right)
  local fill = (" "):rep(math.max(0, width - M.width(text)))
  return right and fill .. text or text .. fill
end

--- Control characters and broken UTF-8 made visible, so that no text moves the cursor.
---@type fun(text: string): string
M.clean = plain.clean

--- Text cut to a width, with an ellipsis.
---@param text string without escape sequences
---@param width integer
---@param ellipsis? string
---@return string
function M.cut(text, width, ellipsis)
  if M.width(text) <= width then return text end
  ellipsis = ellipsis or "..."
  local keep = math.max(0, width - M.width(ellipsis))
  if not utf8.len(text) then return text:sub(1, keep) .. ellipsis end
  return text:sub(1, utf8.offset(text, keep + 1) - 1) .. ellipsis
end

--- Words as lines of at most a width.
---@param text string
---@param width integer
---@return string[]
function M.wrap(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and M.width(line) + 1 + M.width(word) > width then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

--- Rows of cells as lines; columns named in `right` are pushed right; trailing spaces are dropped.
---@param rows string[][]
---@param options? { right: table<integer, boolean>?, gap: string?, indent: string? }
---@return string[]
function M.table(rows, options)
  options = options or {}
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, M.width(cell)) end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do cells[i] = M.pad(cell, widths[i], options.right and options.right[i]) end
    lines[#lines + 1] = ((options.indent or "") .. table.concat(cells, options.gap or "  ")):gsub("%s+$", "")
  end
  return lines
end

--- Columns that the widest of some lines takes.
---@param lines string[]
---@return integer
function M.widest(lines)
  local most = 0
  for _, line in ipairs(lines) do most = math.max(most, M.width(line)) end
  return most
end

--- Milliseconds for people: 12 ms, 2.1 s, 3 min 04 s.
---@param ms number
---@return string
function M.duration(ms)
  if ms < 1000 then return ("%d ms"):format(math.floor(ms + 0.5)) end
  if ms < 59950 then return ("%.1f s"):format(ms / 1000) end
  local seconds = math.floor(ms / 1000 + 0.5)
  if seconds < 3600 then return ("%d min %02d s"):format(seconds // 60, seconds % 60) end
  return ("%d h %02d min"):format(seconds // 3600, seconds % 3600 // 60)
end

--- Bytes for people: 812 B, 14 KiB, 3.2 MiB.
---@param bytes number
---@return string
function M.size(bytes)
  local units, at = { "B", "KiB", "MiB", "GiB", "TiB" }, 1
  while bytes >= 1024 and at < #units do
    bytes, at = bytes / 1024, at + 1
  end
  if at == 1 or bytes >= 9.95 then return ("%d %s"):format(math.floor(bytes + 0.5), units[at]) end
  return ("%.1f %s"):format(bytes, units[at])
end

return M
