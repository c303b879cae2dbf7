--- What a command has around it: options, where it stands, the streams, and the host when it needs one.
local config = require "kit.config"
local consent = require "kit.consent"
local json = require "sy.json"
local kit_state = require "kit.state"
local lifecycle = require "kit.lifecycle"
local opening = require "kit.opening"
local project = require "kit.project"
local render_error = require "melody.render_error"
local style = require "cli.output.style"
local terminal = require "cli.output.terminal"

---@class Context
---@field json boolean one JSON document on stdout
---@field quiet boolean
---@field terminal table
---@field style table paints and picks signs
local Context = {}
Context.__index = Context

local M = {}

--- A context before any option was read.
---@param options { json: boolean? }
---@return Context
function M.new(options)
  local self = setmetatable({ json = options.json or false, quiet = false, options = {} }, Context)
  self.terminal = terminal.look()
  self.style = style.new(self.terminal, "auto")
  self.error_style = style.new(self.terminal, "auto", "stderr")
  return self
end

--- Takes the options of every command.
function Context:configure(options)
  self.options = options
  self.json = options.json or false
  self.quiet = options.quiet or false
  self.color = options.color or self:setting("output.color")
  self.style = style.new(self.terminal, self.color)
  self.error_style = style.new(self.terminal, self.color, "stderr")
end

--- The project's folder: {dir, state_dir, trusted, foreign, found_by}.
---@return table
function Context:place()
  if not self.place_found then
    local place, why = project.find(self.options.project)
    if not place then error(why, 0) end
    place.asks = function(entry, decision) return consent.first_use(self, entry, decision) end
    self.place_found = place
  end
  return self.place_found
end

--- A setting's effective value.
---@param key string
---@return any value, table origin
function Context:setting(key)
  if not self.config_read then
    local place = project.find(self.options.project)
    local read, why = config.read { place = place, flags = self.options }
    if not read then error(why, 0) end
    self.config_read = read
  end
  return self.config_read:get(key)
end

--- All effective settings.
---@return table
function Context:settings()
  self:setting("output.color")
  return self.config_read
end

--- Opens the host of this project; later calls give the same one.
---@param options? { create: boolean?, resumes: boolean? } create false: `not_found` where there is no .symphony yet;
--- resumes: the command says itself, by Context:answered, which runs the inbox has answers for
---@return table? host
---@return Problem?
function Context:host(options)
  if self.opened then return self.opened end
  local host, why = opening.open(self:place(), self:settings(), options)
  self.opened = host
  for _, said in ipairs(host and self:place().inbox or {}) do self:note(said) end
  if host and not (options and options.resumes) then self:answered() end
  return host, why
end

--- Mentions the parked runs that the inbox has answers for.
---@param but? integer number of a run that goes on anyway
function Context:answered(but)
  for _, number in ipairs(self:place().answered or {}) do
    local said = ("run #%d has an answer in its inbox   symphony resume %d"):format(number, number)
    if number ~= but then self:note(said) end
  end
end

--- Writes text for people to stdout (nothing with --json or --quiet).
function Context:say(text)
  if self.json or self.quiet then return end
  io.stdout:write(text, "\n")
end

--- Writes what was asked for to stdout, also with --quiet.
function Context.print(_, text)
  io.stdout:write(text, "\n")
end

--- Writes words for people to stderr.
function Context:note(text)
  if self.quiet then return end
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

--- Writes the one JSON document.
function Context:document(value)
  self.documented = true
  io.stdout:write(json.encode(value), "\n")
end

--- Shows a problem: as the JSON document when none was written yet, else in words on stderr.
function Context:complain(why)
  if self.json and not self.documented then
    self:document { error = M.error_document(why) }
    return
  end
  io.stdout:flush()
  io.stderr:write(self:render(why), "\n")
end

local COLORS = { error = "red", warning = "yellow", place = "bold", caret = "red", hint = "dim" }

--- A problem as text for people.
function Context:render(why)
  local look = self.error_style
  return render_error.render(why, {
    ascii = not look.utf8,
    width = look.columns,
    paint = function(what, text) return look:paint(COLORS[what], text) end,
  })
end

--- Shows several problems, an empty line between two.
function Context:complain_all(problems)
  io.stdout:flush()
  for i, why in ipairs(problems) do io.stderr:write(i > 1 and "\n" or "", self:render(why), "\n") end
end

--- `error` as contract.md has it.
---@param why Problem
---@return table
function M.error_document(why)
  local where = why.where or {}
  local function or_null(value)
    if value == nil or value == "" then return json.null end
    return value
  end
  return {
    code = why.code,
    message = why.message,
    where = { file = or_null(where.file), line = or_null(where.line), task = or_null(where.task) },
    hint = or_null(why.hint),
  }
end

--- Closes what was opened.
function Context:close()
  if self.opened then
    kit_state.refresh(self.opened, self.place_found, self.config_read)
    lifecycle.settle(self.opened, true)
    self.opened:close()
  end
  self.opened = nil
  io.stdout:flush()
end

return M
