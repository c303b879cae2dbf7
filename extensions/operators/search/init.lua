--- The search operator.

local re = require "re"

local files = require "files"
local marks = require "marks"

local M = {}

local MAX_TEXT_BYTES = 500

--- The matching lines of one text, appended; false when `max` is reached.
local function grep_text(pattern, path, content, list, max)
  local at, number, counted = 1, 1, 1
  while at <= #content do
    local from = pattern:find(content, at)
    if not from or from > #content then return true end
    for _ in content:sub(counted, from - 1):gmatch "\n" do number = number + 1 end
    counted = from
    local start = from
    while start > 1 and content:byte(start - 1) ~= 10 do start = start - 1 end
    local stop = content:find("\n", from, true) or #content + 1
    if #list >= max then return false end
    list[#list + 1] = {
      path = path, line = number, column = from - start + 1,
      text = content:sub(start, math.min(stop - 1, start + MAX_TEXT_BYTES - 1)):gsub("\r$", ""),
    }
    at = stop + 1
  end
  return true
end

function M.grep(input, ctx)
  local pattern, message = re.compile(input.pattern, "m" .. (input.ignore_case and "i" or ""))
  if not pattern then return nil, "the pattern is not valid: " .. tostring(message), "invalid_value" end
  local list, cut = files.select(input.paths)
  local matches, searched = {}, 0
  for i, file in ipairs(list) do
    local content = files.text(file.path)
    if content then
      searched = searched + 1
      if not grep_text(pattern, file.path, content, matches, input.max or 1000) then
        cut = true
        break
      end
    end
    if i % 500 == 0 then ctx.progress(i, #list, file.path) end
  end
  return {
    matches = matches, files = searched, truncated = cut,
    summary = ("%d match%s in %d files"):format(#matches, #matches == 1 and "" or "es", searched),
  }
end

function M.marks(input, ctx)
  local list, cut = files.select(input.paths)
  local found, looked = {}, 0
  for i, file in ipairs(list) do
    local content = files.text(file.path)
    if content then
      looked = looked + 1
      if not marks.scan(file.path, content, file.ranges, found, input.max or 500) then
        cut = true
        break
      end
    end
    if i % 500 == 0 then ctx.progress(i, #list, file.path) end
  end
  local summary, counts = marks.summary(found)
  return {marks = found, counts = counts, files = looked, truncated = cut, summary = summary}
end

return M
