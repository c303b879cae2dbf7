--- Watching a run: on a terminal a picture that is drawn anew, elsewhere a line when a task has ended.
local text = require "cli.output.text"
local time = require "sy.time"

local M = {}

local FRAME_MS = 80
local BAR_WIDTH = 24
local LEAST_BAR = 4
local COUNT_WIDTH = 22 -- of the counts and the time beside the bar
local SPARE_ROWS = 5

---@class Progress
local Progress = {}
Progress.__index = Progress

--- Prepares watching; `write` gets pieces of text, `title` what the board knows of the run's scope. With `held`, what
--- is no terminal gets its title with the first line, since only then the scope is known.
---@param board Board
---@param options { live: boolean, style: Style, title: (fun(scope: table?): string), held: boolean?,
---  write: fun(text: string), rows: integer? }
---@return Progress
function M.new(board, options)
  local self = setmetatable({
    board = board,
    live = options.live,
    style = options.style,
    title = options.title,
    write = options.write,
    rows = options.rows or 24,
    drawn = 0,
    began = time.monotonic(),
    next_frame = 0,
    dirty = true,
  }, Progress)
  if not self.live and not options.held then self:head() end
  return self
end

function Progress:bar()
  local done, all = self.board:count()
  local width = math.max(LEAST_BAR, math.min(BAR_WIDTH, self.style.columns - COUNT_WIDTH))
  local filled = all > 0 and done * width // all or 0
  local bar = self.style:letter("full"):rep(filled) .. self.style:letter("empty"):rep(width - filled)
  return ("  %s  %d/%d  %s"):format(bar, done, all, text.duration(time.monotonic() - self.began))
end

--- The title, once.
function Progress:head()
  if not self.titled then self.write(self.title(self.board.scope) .. "\n") end
  self.titled = true
end

--- Lines that fit: when there are too many, those that run and the last that ended.
function Progress:visible()
  local lines, room = self.board.lines, self.rows - SPARE_ROWS
  if #lines <= room then return lines end
  local shown, ended = {}, {}
  for _, line in ipairs(lines) do
    if line.state == "run" and #shown < room then shown[#shown + 1] = line end
    if line.done then ended[#ended + 1] = line end
  end
  for i = math.max(1, #ended - (room - #shown) + 1), #ended do table.insert(shown, 1, ended[i]) end
  return shown
end

function Progress:erase()
  if self.drawn > 0 then self.write(("\r\27[%dA\27[J"):format(self.drawn)) end
  self.drawn = 0
end

function Progress:draw()
  self:erase()
  self.board:fit()
  local lines = { self.title(self.board.scope) }
  for _, line in ipairs(self:visible()) do lines[#lines + 1] = self.board:render(line) end
  lines[#lines + 1] = self:bar()
  self.write(table.concat(lines, "\n") .. "\n")
  self.drawn = #lines
end

--- Lets something else be said: above the picture, so that drawing anew does not count its lines.
---@param say fun()
function Progress:aside(say)
  if not self.live then return say() end
  self:erase()
  say()
  self:draw()
end

--- Takes an event of the run.
---@param event table
function Progress:event(event)
  self.board:event(event)
  self.dirty = true
end

function Progress:write_lines(lines)
  if #lines > 0 then self:head() end
  for _, line in ipairs(lines) do self.write(self.board:render(line) .. "\n") end
end

--- Draws what has changed. Called after each step of the host.
function Progress:tick()
  local now = time.monotonic()
  if self.live then
    if now < self.next_frame then return end
    if self.dirty then self.board:refresh() end
    self:draw()
  elseif self.dirty and now >= self.next_frame then
    self.board:refresh()
    self:write_lines(self.board:take())
  end
  self.dirty = false
  self.next_frame = now + FRAME_MS
end

--- The last picture, which stays: all tasks, without the bar.
function Progress:finish()
  self.board:refresh(true)
  if self.live then
    self:erase()
    self.board:fit()
  end
  self:head()
  self:write_lines(self.live and self.board.lines or self.board:take(true))
end

return M
