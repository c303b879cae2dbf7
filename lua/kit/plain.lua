--- Text of others as it may be shown: nothing in it moves the cursor, hides a part, or turns the reading direction.
local M = {}

--- UTF-8 of what is not seen and changes how the rest is seen: C1 controls, zero-width and bidirectional marks.
local UNSEEN = { "\xC2[\x80-\x9F]", "\xE2\x80[\x8B-\x8F\xA8-\xAE]", "\xE2\x81[\xA0-\xAF]", "\xEF\xBB\xBF" }

--- Control characters, broken UTF-8 and what cannot be seen made visible.
---@param text string
---@return string
function M.clean(text)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  if text:find "[\xC2\xE2\xEF]" then
    for _, pattern in ipairs(UNSEEN) do text = text:gsub(pattern, "?") end
  end
  return (text:gsub("[%c\127]", function(c) return (c == "\t" or c == "\n") and " " or "?" end))
end

--- A line broken between words, the later parts indented.
---@param line string
---@param width integer
---@param indent string of the first part; the later ones get two spaces more
---@return string[]
function M.wrap(line, width, indent)
  local lines, now = {}, indent
  for word in line:gmatch "%S+" do
    local empty = not now:find "%S"
    if not empty and (utf8.len(now) or #now) + 1 + (utf8.len(word) or #word) > width then
      lines[#lines + 1] = now
      now, empty = indent .. "  ", true
    end
    now = now .. (empty and "" or " ") .. word
  end
  lines[#lines + 1] = now
  return lines
end

return M
