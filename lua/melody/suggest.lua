--- "Did you mean": the nearest name of a list, by edits (a swap of two neighbours counts as one).
local M = {}

---@param a string
---@param b string
---@return integer
function M.distance(a, b)
  local before, last
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    before, last, row = last, row, { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
  end
  return row[#b]
end

--- The nearest candidate, or nil when none is close enough to be meant.
---@param name string
---@param candidates string[]
---@return string?
function M.nearest(name, candidates)
  local found, least = nil, math.max(1, #name // 3) + 1
  local sorted = table.move(candidates, 1, #candidates, 1, {})
  table.sort(sorted)
  for _, candidate in ipairs(sorted) do
    if math.abs(#candidate - #name) < least then
      local d = M.distance(name:lower(), candidate:lower())
      if d < least then found, least = candidate, d end
    end
  end
  return found
end

--- "did you mean `x`?", or nil.
---@param name string
---@param candidates string[]
---@return string?
function M.phrase(name, candidates)
  local nearest = M.nearest(name, candidates)
  return nearest and ("did you mean `%s`?"):format(nearest) or nil
end

return M
