--- Colour and signs. Meaning is never by colour alone: each state has a sign, in UTF-8 and in ASCII.
local M = {}

local COLORS = { red = "31", green = "32", yellow = "33", blue = "34", dim = "2", bold = "1" }

local SIGNS = {
  ok = { "✓", "+", "green" },
  warn = { "!", "!", "yellow" },
  fail = { "✗", "x", "red" },
  skip = { "–", "-", "dim" },
  run = { "›", ">", "blue" },
  wait = { "?", "?", "yellow" },
  pending = { "·", ".", "dim" },
}

local LETTERS = { arrow = { "→", "->" }, dot = { "·", "|" }, full = { "█", "#" }, empty = { "░", "." },
  ellipsis = { "…", "..." } }

---@class Style
---@field color boolean
---@field utf8 boolean
local Style = {}
Style.__index = Style

--- A style for a stream.
---@param terminal table as cli.output.terminal.look gives it
---@param color "auto"|"always"|"never"
---@param stream? "stdout"|"stderr"
---@return Style
function M.new(terminal, color, stream)
  local on = color == "always" or (color ~= "never" and terminal[stream or "stdout"] and not terminal.no_color)
  return setmetatable({ color = on or false, utf8 = terminal.utf8, columns = terminal.columns }, Style)
end

--- Text in a colour, where there is colour.
function Style:paint(color, text)
  if not self.color then return text end
  return ("\27[%sm%s\27[0m"):format(COLORS[color], text)
end

--- The sign of a state, coloured.
function Style:sign(state)
  local sign = SIGNS[state]
  return self:paint(sign[3], self.utf8 and sign[1] or sign[2])
end

--- A letter that ASCII has another way of writing.
function Style:letter(name)
  return LETTERS[name][self.utf8 and 1 or 2]
end

return M
