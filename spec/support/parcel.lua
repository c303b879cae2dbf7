--- What the specs of exported runs share: a project with a run to export, and files taken apart and put together.
local hash = require "sy.hash"
local json = require "sy.json"
local luassert = require "luassert"
local paths = require "kit.paths"
local support = require "support"

local M = {}

M.MELODY = [[
local m = require "melody" "moved"
m:param("name", { type = "string", default = "you" })
local found = m:task("found", "file.glob", { pattern = "*.txt" })
local read = m:each("read", found.files, "file.read", function(file) return { path = file.path } end)
local said = m:task("said", "own.say", { text = m:text "{params.name}" }, { after = { "read" } })
m:output("said", said.text)
m:output("read", read)
return m
]]

M.MANIFEST = [[
[extension]
name = "own"
version = "1.0.0"
type = "operator"
category = "test"
description = "Says."
license = "MIT"
symphony = ">=0.1"
entry = "init.lua"

[operator]
operator_type = "test"

[operation.say]
doc = "Says."
effects = "none"
input = { type = "object", properties = { text = { type = "string" } } }
output = { type = "object", properties = { text = { type = "string" } } }
]]

M.CODE = [[
local own = {}
function own.say(input) return { text = "%s " .. input.text } end
return own
]]

--- A trusted project with the melody, its extension and some files.
function M.project(greeting)
  local dir = paths.real(support.tmpdir())
  support.write_file(dir .. "/melodies/moved.lua", M.MELODY)
  support.write_file(dir .. "/extensions/own/Symphony.toml", M.MANIFEST)
  support.write_file(dir .. "/extensions/own/init.lua", M.CODE:format(greeting or "Hello"))
  support.write_file(dir .. "/a.txt", "one\n")
  support.write_file(dir .. "/b.txt", ("long line\n"):rep(2000))
  luassert.equal(0, support.symphony({ "trust" }, { cwd = dir }).code)
  return dir
end

function M.run(dir, ...)
  return support.symphony({ ... }, { cwd = dir })
end

function M.document(dir, ...)
  local r = M.run(dir, ...)
  local value = json.decode(r.out)
  return value, r
end

--- What a project's database holds that a run could have changed.
function M.state(dir)
  local r = M.run(dir, "runs", "--json")
  return r.code == 0 and r.out or "none"
end

--- A folder with what the file holds, to be packed again.
---@param path string
function M.unpacked(path)
  local dir = paths.real(support.tmpdir())
  support.sh(("zstd -dc '%s' | tar -x -C '%s'"):format(path, dir))
  return dir
end

--- The names of its entries, in their order, without the last.
function M.order_of(path)
  local names = {}
  for name in support.sh(("zstd -dc '%s' | tar -t"):format(path)):gmatch "[^\n]+" do
    if name ~= "sums.json" then names[#names + 1] = name end
  end
  return names
end

--- Packs a folder as export would, with honest hashes; `names` in this order.
function M.packed(dir, names, more)
  local sums = json.array {}
  for i, name in ipairs(names) do
    local text = support.read_file(dir .. "/" .. name)
    sums[i] = { name = name, size = #text, hash = "sha256:" .. hash.sha256(text) }
  end
  support.write_file(dir .. "/sums.json", json.encode { files = sums })
  names = table.move(names, 1, #names, 1, {})
  names[#names + 1] = "sums.json"
  support.write_file(dir .. "/list", table.concat(names, "\n"))
  support.sh(("tar --format=ustar -c -T list %s | zstd -q > made.tar.zst"):format(more or ""), { cwd = dir })
  return dir .. "/made.tar.zst"
end

local target

--- The error with which a project refuses a file; nothing is changed.
function M.refused(path, code, what)
  target = target or M.project()
  M.run(target, "init")
  local before = M.state(target)
  local r = M.run(target, "import", path, "--json")
  luassert.equal(code or 2, r.code, r.out .. r.err)
  local failure = json.decode(r.out).error
  if what then luassert.matches(what, failure.message) end
  luassert.equal(before, M.state(target))
  return failure
end

return M
