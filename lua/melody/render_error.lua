--- Prints a problem the way contract.md section 3 shows it:
---
---     error[unknown_field]: git.diff has no output `fiels`
---       melodies/review.lua:9   paths = diff.fiels
---                                            ^^^^^ did you mean `files`?
---       symphony ext show git.diff   lists its outputs
local M = {}

local ASCII = { ["→"] = "->", ["–"] = "-", ["—"] = "-", ["…"] = "...", ["·"] = "-", ["“"] = '"', ["”"] = '"' }

---@class melody.RenderOptions
---@field utf8? boolean false: the terminal shows ASCII only
---@field color? boolean
---@field width? integer columns, default 80

local function to_ascii(text)
  return (text:gsub(utf8.charpattern, function(c)
    if #c == 1 then return c end
    return ASCII[c] or "?"
  end):gsub("[\x80-\xff]", "?"))
end

local function columns(text)
  return utf8.len(text) or #text
end

--- Byte position of the character at a column; safe on text that is no UTF-8.
local function offset(text, column)
  return utf8.len(text) and utf8.offset(text, column) or column
end

--- Cuts a source line to `width` columns around the caret.
local function window(line, col, length, width)
  local before = col and columns(line:sub(1, col - 1)) or 0
  if columns(line) <= width or width < 20 then return line, before, length end
  local last = before + (length or 1)
  local skip = last > width - 3 and last - (width - 3) or 0
  skip = math.min(skip, before)
  local head = skip > 0 and "…" or ""
  local from, stop = offset(line, skip + 1), offset(line, skip + width - 2) or #line + 1
  local cut = stop <= #line and "…" or ""
  local shown = math.min(length or 1, width - (before - skip) - 2)
  return head .. line:sub(from, stop - 1) .. cut, before - skip + columns(head), math.max(1, shown)
end

local function printable(text)
  return (text:gsub("\t", " "):gsub("%c", "?"):gsub("\xC2[\x80-\x9F]", "?"))
end

local STYLES = { error = "1;31", warning = "1;33", place = "2", caret = "1;31", hint = "36" }

local function painter(color)
  return function(style, text)
    return color and ("\27[%sm%s\27[0m"):format(STYLES[style] or "0", text) or text
  end
end

local function place_lines(problem, lines, options, paint)
  local where = problem.where or {}
  local place = where.file and where.file .. (where.line and ":" .. where.line or "")
                or where.line and "line " .. where.line or where.task and "task " .. where.task
  if not place then
    if problem.note then lines[#lines + 1] = "  " .. problem.note end
    return
  end
  local lead = columns(place) + 5
  local text, before, length = "", 0, nil
  if problem.source_line then
    local width = (options.width or 80) - lead
    text, before, length = window(printable(problem.source_line), problem.col, problem.length, width)
  end
  lines[#lines + 1] = ("  %s%s"):format(paint("place", place), text ~= "" and "   " .. text or "")
  if problem.col then
    local caret = paint("caret", ("^"):rep(length or 1))
    lines[#lines + 1] = (" "):rep(lead + before) .. caret .. (problem.note and " " .. problem.note or "")
  elseif problem.note then
    lines[#lines + 1] = (" "):rep(text ~= "" and lead or 2) .. problem.note
  end
end

--- The lines of a problem, without a newline at the end.
---@param problem melody.Problem
---@param options? melody.RenderOptions
---@return string
function M.render(problem, options)
  options = options or {}
  local paint, severity = painter(options.color), problem.severity or "error"
  local head = paint(severity, ("%s[%s]"):format(severity, problem.code))
  local lines = { ("%s: %s"):format(head, printable(problem.message)) }
  place_lines(problem, lines, options, paint)
  if problem.hint then
    for line in problem.hint:gmatch("[^\n]+") do lines[#lines + 1] = "  " .. paint("hint", printable(line)) end
  end
  local text = table.concat(lines, "\n")
  return options.utf8 == false and to_ascii(text) or text
end

--- All problems, an empty line between two, a newline at the end; "" when there are none.
---@param problems melody.Problem[]
---@param options? melody.RenderOptions
---@return string
function M.render_all(problems, options)
  local parts = {}
  for i, problem in ipairs(problems) do parts[i] = M.render(problem, options) .. "\n" end
  return table.concat(parts, "\n")
end

return M
