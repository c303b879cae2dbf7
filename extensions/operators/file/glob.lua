--- Braces in globs, which the library leaves to its callers. Pure.

local M = {}

local MAX_ALTERNATIVES = 256

--- Writes {a,b} out: every pattern without braces.
---@param pattern string
---@return string[]? patterns nil: too many
function M.expand(pattern)
  local done, open = {}, {pattern}
  while #open > 0 do
    local p = table.remove(open)
    local from, to = p:find "%b{}"
    if not from then
      done[#done + 1] = p
    else
      local inner, depth, piece = p:sub(from + 1, to - 1), 0, ""
      local pieces = {}
      for c in inner:gmatch "." do
        if c == "{" then depth = depth + 1 end
        if c == "}" then depth = depth - 1 end
        if c == "," and depth == 0 then
          pieces[#pieces + 1], piece = piece, ""
        else
          piece = piece .. c
        end
      end
      pieces[#pieces + 1] = piece
      for _, alternative in ipairs(pieces) do open[#open + 1] = p:sub(1, from - 1) .. alternative .. p:sub(to + 1) end
    end
    if #done + #open > MAX_ALTERNATIVES then return nil end
  end
  return done
end

return M
