--- What changed between two texts, line by line, and patches in the unified format.
---
---   diff.lines(old, new)                    → {{kind = " "|"-"|"+", text =, old =, new =}, …}
---   diff.unified(old, new, {from =, to =})  → text of a patch, "" when nothing changed
---   diff.parse(patch)                       → {{old_path =, new_path =, status =, hunks = {…}}, …}, see patch.lua
---
--- The differences are found with Myers' algorithm in its form that needs little memory ("An O(ND) Difference
--- Algorithm", section 4b). Where two stretches differ by more than `max_cost` lines, they are taken as replaced
--- whole: the result stays right, if not the shortest.

local patch = require "patch"

local M = {}

local MAX_COST = 1000

---@class diff.line
---@field kind " "|"-"|"+"
---@field text string without its line end
---@field old? integer number in the old text
---@field new? integer number in the new text
---@field no_newline? boolean the last line of its text, which ends without a line end

--- The lines of a text, and whether the last one lacks its line end.
local function split(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  local last = text:match "[^\n]+$"
  if last then lines[#lines + 1] = last end
  return lines, last ~= nil
end

--- Numbers that are equal where the lines are. A line without its end differs from the same one with it.
local function numbered(lines, open_end, ids, count)
  local out = {}
  for i, line in ipairs(lines) do
    local key = i == #lines and open_end and line .. "\n" or line
    if not ids[key] then
      count = count + 1
      ids[key] = count
    end
    out[i] = ids[key]
  end
  return out, count
end

--- The furthest x on diagonal k, one edit on from its neighbours.
local function step(v, k)
  local left, down = v[k - 1], v[k + 1]
  if not left or down and left < down then return down end
  return left + 1
end

--- The middle of a shortest way through the box: where its run of equal lines starts and ends, or nil when the
--- way is longer than `max_cost`. Positions count from the box's corner.
local function middle(a, a_lo, a_hi, b, b_lo, b_hi, max_cost)
  local n, m = a_hi - a_lo, b_hi - b_lo
  local delta, forward, backward = n - m, {[1] = 0}, {[1] = 0}
  local odd = delta % 2 ~= 0
  for d = 0, math.min((n + m + 1) // 2, max_cost) do
    local low, high = -(d - 2 * math.max(0, d - m)), d - 2 * math.max(0, d - n)
    for k = low, high, 2 do
      local x = step(forward, k)
      local y, from = x - k, x
      while x < n and y < m and a[a_lo + x + 1] == b[b_lo + y + 1] do x, y = x + 1, y + 1 end
      forward[k] = x
      local other = odd and math.abs(delta - k) < d and backward[delta - k]
      if other and x + other >= n then return from, from - k, x, y end
    end
    for k = low, high, 2 do
      local x = step(backward, k)
      local y, from = x - k, x
      while x < n and y < m and a[a_hi - x] == b[b_hi - y] do x, y = x + 1, y + 1 end
      backward[k] = x
      local other = not odd and math.abs(delta - k) <= d and forward[delta - k]
      if other and x + other >= n then return n - x, m - y, n - from, m - (from - k) end
    end
  end
end

--- Marks the lines of the box that were removed and added.
local function compare(a, a_lo, a_hi, b, b_lo, b_hi, marks)
  while a_lo < a_hi and b_lo < b_hi and a[a_lo + 1] == b[b_lo + 1] do a_lo, b_lo = a_lo + 1, b_lo + 1 end
  while a_lo < a_hi and b_lo < b_hi and a[a_hi] == b[b_hi] do a_hi, b_hi = a_hi - 1, b_hi - 1 end
  if a_lo < a_hi and b_lo < b_hi then
    local x1, y1, x2, y2 = middle(a, a_lo, a_hi, b, b_lo, b_hi, marks.max_cost)
    if x1 then
      compare(a, a_lo, a_lo + x1, b, b_lo, b_lo + y1, marks)
      return compare(a, a_lo + x2, a_hi, b, b_lo + y2, b_hi, marks)
    end
  end
  for i = a_lo + 1, a_hi do marks.removed[i] = true end
  for i = b_lo + 1, b_hi do marks.added[i] = true end
end

--- Every line of both texts, in order; of a change the removed lines come first.
---@param old string
---@param new string
---@param options? {max_cost?: integer}
---@return diff.line[]
function M.lines(old, new, options)
  local a, a_open = split(old)
  local b, b_open = split(new)
  local ids, marks = {}, {removed = {}, added = {}, max_cost = options and options.max_cost or MAX_COST}
  local a_ids, count = numbered(a, a_open, ids, 0)
  compare(a_ids, 0, #a, (numbered(b, b_open, ids, count)), 0, #b, marks)
  local out, i, j = {}, 1, 1
  while i <= #a or j <= #b do
    if i <= #a and marks.removed[i] then
      out[#out + 1] = {kind = "-", text = a[i], old = i, no_newline = i == #a and a_open or nil}
      i = i + 1
    elseif j <= #b and marks.added[j] then
      out[#out + 1] = {kind = "+", text = b[j], new = j, no_newline = j == #b and b_open or nil}
      j = j + 1
    else
      out[#out + 1] = {kind = " ", text = a[i], old = i, new = j, no_newline = i == #a and a_open or nil}
      i, j = i + 1, j + 1
    end
  end
  return out
end

--- The ranges of `lines` that hunks cover: changes with their context, run together where they touch.
local function ranges(lines, context)
  local list = {}
  for i, line in ipairs(lines) do
    if line.kind ~= " " then
      local first, last = math.max(1, i - context), math.min(#lines, i + context)
      local before = list[#list]
      if before and first <= before.last + 1 then
        before.last = last
      else
        list[#list + 1] = {first = first, last = last}
      end
    end
  end
  return list
end

local function span(start, count)
  if count == 1 then return tostring(start) end
  return ("%d,%d"):format(start, count)
end

local function add_hunk(out, lines, range, old_before, new_before)
  local old_count, new_count, body = 0, 0, {}
  for i = range.first, range.last do
    local line = lines[i]
    if line.kind ~= "+" then old_count = old_count + 1 end
    if line.kind ~= "-" then new_count = new_count + 1 end
    body[#body + 1] = line.kind .. line.text .. "\n"
    if line.no_newline then body[#body + 1] = "\\ No newline at end of file\n" end
  end
  out[#out + 1] = ("@@ -%s +%s @@\n"):format(span(old_before + (old_count > 0 and 1 or 0), old_count),
    span(new_before + (new_count > 0 and 1 or 0), new_count))
  out[#out + 1] = table.concat(body)
end

--- A patch from `old` to `new`.
---@param old string
---@param new string
---@param options? {context?: integer, from?: string, to?: string, max_cost?: integer} context: 3 lines; from, to: names
---@return string
function M.unified(old, new, options)
  options = options or {}
  local lines = M.lines(old, new, options)
  local out, at, old_seen, new_seen = {}, 1, 0, 0
  for _, range in ipairs(ranges(lines, options.context or 3)) do
    if #out == 0 then out[1] = ("--- %s\n+++ %s\n"):format(options.from or "a", options.to or "b") end
    while at < range.first do
      old_seen, new_seen = lines[at].old or old_seen, lines[at].new or new_seen
      at = at + 1
    end
    add_hunk(out, lines, range, old_seen, new_seen)
  end
  return table.concat(out)
end

M.parse = patch.parse

return M
