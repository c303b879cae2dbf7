--- What tasks streamed goes with a run that is exported.
local hash = require "sy.hash"
local json = require "sy.json"
local parcel = require "parcel"
local support = require "support"

local project, run, refused, packed = parcel.project, parcel.run, parcel.refused, parcel.packed

describe("what tasks streamed", function()
  local STREAMING = [[
local m = require "melody" "streaming"
m:each("bytes", { 1, 40 }, "own.stream", function(n) return { blocks = n } end)
return m
]]
  local STREAM = [[
return { stream = function(input, ctx)
  local all = {}
  for i = 0, 255 do all[i + 1] = string.char(i) end
  for i = 1, input.blocks do ctx.stream(i .. table.concat(all):rep(16)) end
  ctx.progress(1, 2, "half")
  ctx.log("info", "said")
  return {}
end }
]]
  local from, to, archive

  local function streamed(dir, number, task, kind)
    local r = run(dir, "logs", number, task, "--stream", kind)
    assert.equal(0, r.code, r.err)
    return r.out
  end

  setup(function()
    from, to = project(), project()
    archive = from .. "/streaming.tar.zst"
    support.write_file(from .. "/melodies/streaming.lua", STREAMING)
    support.write_file(from .. "/extensions/own/init.lua", STREAM)
    support.write_file(from .. "/extensions/own/Symphony.toml", (parcel.MANIFEST:gsub("operation.say", "operation.stream")
      :gsub("input =[^\n]*\noutput =[^\n]*\n", "")))
    assert.equal(0, run(from, "run", "streaming").code)
    assert.equal(0, run(from, "export", "1", "--output", archive).code)
  end)

  it("is the same elsewhere, byte for byte, from every offset", function()
    assert.equal(0, run(to, "import", archive).code)
    assert.equal(0, run(from, "import", archive).code)
    for _, task in ipairs { "bytes/1", "bytes/2" } do
      for _, kind in ipairs { "tokens", "progress", "log" } do
        local before = streamed(from, "1", task, kind)
        assert.is_true(#before > 0)
        assert.equal(before, streamed(to, "1", task, kind))
        assert.equal(before, streamed(from, "2", task, kind))
      end
    end
    local all = streamed(to, "1", "bytes/2", "tokens")
    assert.is_true(#all > 40 * 4096)
    local rest = run(to, "logs", "1", "bytes/2", "--stream", "tokens", "--since", "70001")
    assert.equal(all:sub(70002), rest.out)
  end)

  it("is refused where it is damaged, and says where", function()
    local function with(change)
      local dir, names = parcel.unpacked(archive), parcel.order_of(archive)
      local name = "task_stream/000001.json"
      local rows = json.decode(support.read_file(dir .. "/" .. name))
      change(rows[1], rows)
      support.write_file(dir .. "/" .. name, json.encode(rows))
      return refused(packed(dir, names), 2)
    end
    local bad = {
      { "`data` is not base64", function(row) row.data = "*" .. row.data end },
      { "`data` is not base64", function(row) row.data = 5 end },
      { "has no `data`", function(row) row.data = json.null end },
      { "has no `data`", function(row) row.data = nil end },
      { "parts do not fit", function(row) row.data = "" end },
      { "parts do not fit", function(row) row.kind = "other" end },
      { "parts do not fit", function(_, rows) rows[#rows + 1] = rows[1] end },
      { "is not a place in a stream", function(row) row.position = math.maxinteger end },
      { "is not a place in a stream", function(row) row.position = -1 end },
      { "is not an id", function(row) row.task_id = "x" end },
    }
    for _, case in ipairs(bad) do assert.matches(case[1], with(case[2]).message, 1, true) end
  end)

  it("may overlap in a file that was made up, and is read all the same", function()
    local dir, names = parcel.unpacked(archive), parcel.order_of(archive)
    local name = "task_stream/000001.json"
    local rows = json.decode(support.read_file(dir .. "/" .. name))
    local first, small = rows[1], {}
    for key, value in pairs(first) do small[key] = value end
    small.position, small.data = first.position + 3, hash.base64 "abc"
    table.insert(rows, 2, small)
    support.write_file(dir .. "/" .. name, json.encode(rows))
    local place = project()
    assert.equal(0, run(place, "import", packed(dir, names)).code)
    for _, task in ipairs { "bytes/1", "bytes/2" } do
      assert.equal(streamed(from, "1", task, "tokens"), streamed(place, "1", task, "tokens"))
    end
  end)
end)
