--- Documents as the specs read them: `local document = require "document"`. spec/docs_spec.lua says what a block means.
local paths = require "kit.paths"
local support = require "support"

local M = {}

M.root = paths.real(support.root)

--- The text of a file of the tree.
---@param path string
---@return string
function M.read(path)
  return (assert(support.read_file(M.root .. "/" .. path), path))
end

--- The files of the tree that fit.
---@param globs string
---@return string[]
function M.list(globs)
  local found = {}
  for path in support.sh("ls " .. globs, { cwd = M.root }):gmatch "[^\n]+" do found[#found + 1] = path end
  return found
end

--- The fenced blocks of a text: {language, lines, file = what the line before names}.
---@param text string
---@return { language: string, lines: string[], file: string? }[]
function M.blocks(text)
  local found, open, before = {}, nil, ""
  for line in text:gmatch "([^\n]*)\n" do
    local fence = line:match "^```(.*)$"
    if fence and open then
      open, before = nil, ""
    elseif fence then
      open = { language = fence, lines = {}, file = before:match "^`([%w_./-]+)`[^`]*:$" }
      found[#found + 1] = open
    elseif open then
      open.lines[#open.lines + 1] = line
    elseif line ~= "" then
      before = line
    end
  end
  return found
end

--- The text outside of fenced blocks.
---@param text string
---@return string
function M.prose(text)
  return (("\n" .. text):gsub("\n```.-\n```", "\n"))
end

-- ---- what a program prints, and what a document says it prints ----

--- Times, dates, ids and hashes, and how wide they make a column, may differ.
local function plain(line)
  line = line:gsub("\r", ""):gsub("%d%d%d%d%-%d%d%-%d%d[ T]%d%d:%d%d:%d%d[%d.]*Z?", "DATE")
  line = line:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("sha256:%x+", "HASH")
  line = line:gsub("%d[%d.]* ms%f[%A]", "TIME"):gsub("%d[%d.]* s%f[%A]", "TIME")
  return (line:gsub("%s+", " "):gsub(" $", ""))
end

local function fits(line, expected)
  local pattern = plain(expected):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("…", ".*")
  return plain(line):match("^" .. pattern .. "$") ~= nil
end

--- Whether the lines from `at` are what is expected from `from`: `…` is anything, a line of it any lines.
---@param lines string[]
---@param expected string[]
---@param at? integer
---@param from? integer
---@return boolean
function M.same(lines, expected, at, from)
  at, from = at or 1, from or 1
  local want = expected[from]
  if not want then return lines[at] == nil end
  if want ~= "…" then
    return lines[at] ~= nil and fits(lines[at], want) and M.same(lines, expected, at + 1, from + 1)
  end
  for skip = at, #lines + 1 do
    if M.same(lines, expected, skip, from + 1) then return true end
  end
  return false
end

--- The lines of a text, without empty ones.
---@param text string
---@return string[]
function M.lines(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

return M
