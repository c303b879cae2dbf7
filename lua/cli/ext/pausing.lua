--- What ext pause and ext resume share.
local args = require "cli.args"
local exit = require "cli.exit"
local install = require "kit.install"
local pausing = require "kit.pausing"
local registry = require "kit.registry"

local M = {}

--- Pauses or resumes the extension that is named.
---@param ctx Context
---@param words table
---@param usage string
---@param paused boolean
---@return integer?, Problem?
function M.run(ctx, words, usage, paused)
  local ok, why = args.count(words, 1, 1, usage)
  if not ok then return nil, why end
  local entry, none = registry.new(ctx:place()):extension(words[1])
  if not entry then return nil, none end
  local host, closed = ctx:host()
  if not host then return nil, closed end
  local ids, bad = install.rows(host, entry)
  if not ids then return nil, bad end
  local changed, failed = pausing.set(host, entry.name, ids.id, paused)
  if changed == nil then return nil, failed end
  if ctx.json then
    ctx:document { name = entry.name, paused = paused, changed = changed }
  elseif paused then
    ctx:say(("%s is paused%s: nothing in this project calls it   symphony ext resume %s"):format(entry.name,
      changed and "" or " already", entry.name))
  else
    ctx:say(("%s %s"):format(entry.name, changed and "is called again" or "was not paused"))
  end
  return exit.DONE
end

return M
