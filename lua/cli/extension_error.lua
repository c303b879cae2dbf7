--- An error of an extension as its author wants to see it: the extension's name before the file, and the line of the
--- source with a caret. Only of code that is there as it ran.
local excerpt = require "kit.author.excerpt"
local registry = require "kit.registry"

local M = {}

--- Names the extension in a problem that its code caused, and shows the line.
---@param ctx Context
---@param why Problem
---@param name string? the extension's
---@return Problem
function M.fill(ctx, why, name)
  local file = why.where and why.where.file
  if not name or not file or not why.where.line or not file:match "%.lua$" then return why end
  local place = ctx:place()
  local found, entry = pcall(function() return registry.new(place):extension(name) end)
  local sources = found and entry and entry.sources or {}
  local inner = file:sub(1, #name + 1) == name .. "/" and file:sub(#name + 2) or file
  if inner:sub(1, 1) == "@" then -- of a package it depends on
    why.where.file = inner:sub(2)
  elseif sources[inner] then
    excerpt.fill(why, sources, inner)
    why.where.file = ("%s/%s"):format(name, inner)
  end
  return why
end

return M
