--- What goes on beside a storm, in processes of its own that may be killed, too: old runs and the contents of their
--- artifacts are removed, older runs are exported, shown and read while that happens.
---
---   local company = require "storm_company".start(storm)   -- none, one or two of them
---   company:leave()        -- each is killed, or waited for and looked at
---   company.check_stream(storm, number, out)   -- what every reader of the stream of `walk/flow/talk` sees
local assert = require "luassert"
local json = require "sy.json"
local support = require "support"

local Company = {}
Company.__index = Company

local M = { KEEP = 3 }

--- Of every melody three ended runs stay.
M.ENV = { SYMPHONY_RUNS_KEEP = tostring(M.KEEP) }

M.TALK = "walk/flow/talk"

local lines = {}
for i = 1, 40 do lines[i] = ("line %d\n"):format(i) end
M.WHOLE = table.concat(lines)

local NOT_FOUND = 4

--- Looks at what an attempt that ended has streamed, which is the last there is; what a fork kept streamed nothing.
---@param number string
---@param out string of `logs --stream tokens --json`
function M.check_stream(storm, number, out)
  local at, text = nil, ""
  for line in out:gmatch "[^\n]+" do
    local piece = json.decode(line)
    local section = piece.attempt .. "/" .. piece.epoch
    text = section == at and text .. piece.text or piece.text
    at = section
  end
  if not (text == "" and storm.kept[tonumber(number)]) then assert.equal(M.WHOLE, text) end
end

--- What each does with a run that was there a moment ago, and what it may end with: either all is there, or it is gone.
local DEEDS = {
  function() return { "gc", "--json" }, function(r) assert.equal(0, r.code, r.out .. r.err) end end,
  function(storm, number)
    storm.exports = storm.exports + 1
    return { "export", number, "--output", ("run.%d.zst"):format(storm.exports) }
  end,
  function(storm, number)
    return { "show", number, "--json" }, function(r)
      if r.code == 0 then assert.same(storm.outputs, storm.plain(json.decode(r.out).outputs)) end
    end
  end,
  function(storm, number)
    return { "logs", number, M.TALK, "--stream", "tokens", "--json" }, function(r)
      if r.code == 0 then M.check_stream(storm, number, r.out) end
    end
  end,
}

local function add(self, storm)
  local deed = DEEDS[storm.random(0, 1) == 0 and 1 or storm.random(2, #DEEDS)]
  local number = tostring(storm.random(math.max(1, storm.ended - M.KEEP - 2), storm.ended))
  local argv, look = deed(storm, number)
  self[#self + 1] = { argv = argv, look = look,
    child = support.start_symphony(argv, { cwd = storm.dir, env = M.ENV }) }
end

function M.start(storm)
  local self = setmetatable({ storm = storm }, Company)
  for _ = 1, storm.ended > 0 and storm.random(0, 2) or 0 do add(self, storm) end
  return self
end

local function leave(self, one)
  if self.storm.random(0, 1) == 1 then one.child.raw:wait(self.storm.random(0, 200)) end
  if self.storm.random(0, 1) == 1 and not one.child.raw:wait(0) then
    one.child:kill("KILL", true)
    assert(one.child:wait(10), "it survived SIGKILL")
    return
  end
  local r = assert(one.child:wait(120), "it does not end: " .. table.concat(one.argv, " "))
  if r.code ~= 0 and r.code ~= NOT_FOUND then
    error(("symphony %s: %s\n%s%s"):format(table.concat(one.argv, " "), r.code or r.signal, r.out, r.err))
  end
  if one.look then one.look(r) end
end

function Company:leave()
  for _, one in ipairs(self) do
    leave(self, one)
    one.child.raw:free()
  end
end

return M
