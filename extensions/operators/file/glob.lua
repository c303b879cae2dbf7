--- Globs as Lua patterns, matched name by name. Pure.

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

local function name_pattern(glob)
  local out = glob:gsub("%[[!^]?[^%]]+%]", function (set) return "\1" .. set:sub(2, -2):gsub("^!", "^"):gsub("%%",
    "%%%%") .. "\2" end)
  out = out:gsub("[%^%$%(%)%%%.%[%]%+%-]", function (c) return "%" .. c end)
  out = out:gsub("\1(.-)\2", function (set) return "[" .. set:gsub("%%([%^%-])", "%1") .. "]" end)
  out = out:gsub("%*+", "[^/]*"):gsub("%?", "[^/]")
  return "^" .. out .. "$"
end

--- A pattern cut at its slashes: "**" or a Lua pattern a part.
---@param pattern string without braces
---@return table[] parts
function M.parts(pattern)
  local parts = {}
  for piece in pattern:gsub("^%./", ""):gmatch "[^/]+" do
    if piece == "**" then
      parts[#parts + 1] = {any = true}
    else
      parts[#parts + 1] = {pattern = name_pattern(piece), dot = piece:sub(1, 1) == ".",
        plain = not piece:find "[%*%?%[]" and piece}
    end
  end
  return parts
end

---@param part table
---@param name string
---@return boolean
function M.matches(part, name)
  if name:sub(1, 1) == "." and not part.dot then return false end
  return name:find(part.pattern) ~= nil
end

return M
