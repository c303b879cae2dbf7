--- The password of a secret key: typed without being shown, or read from a file or descriptor, never an argument.
local paths = require "kit.paths"
local problem = require "kit.problem"
local term = require "sy.term"

local M = {}

M.OPTIONS = {
  { name = "password-file", argument = "FILE", doc = "its first line is the key's password" },
  { name = "password-fd", argument = "N", doc = "a descriptor to read the password from" },
}

local function from_file(path)
  local text, message = paths.read(path)
  if not text then return problem.fail("not_found", message) end
  return text:match "^[^\r\n]*"
end

local function from_fd(typed)
  local fd = math.tointeger(tonumber(typed))
  local line = fd and fd >= 0 and fd < 1024 and term.read_line(fd)
  if not line then return problem.fail("usage", ("no password can be read from --password-fd %s"):format(typed)) end
  return line
end

local function typed(question)
  local line, interrupted = term.read_secret(question)
  term.write(2, "\n")
  if not line then return problem.fail(interrupted and "interrupted" or "usage", "no password was given") end
  return line
end

--- Asks for a password as the options say.
---@param ctx Context
---@param options table
---@param twice boolean it is a new one
---@return string?, Problem?
function M.ask(ctx, options, twice)
  if options["password-file"] then return from_file(options["password-file"]) end
  if options["password-fd"] then return from_fd(options["password-fd"]) end
  if not ctx.terminal.stdin or not ctx.terminal.stderr then
    return problem.fail("usage", "the key has a password, and nobody is here to type it",
      { hint = "--password-file FILE or --password-fd N" })
  end
  local first, why = typed "Password of the key: "
  if not first or not twice then return first, why end
  local second, bad = typed "Once more: "
  if not second then return nil, bad end
  if first ~= second then return problem.fail("usage", "the passwords differ; nothing was made") end
  return first
end

return M
