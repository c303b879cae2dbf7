--- cli.output.gantt: bars over time for any width; cli.critical_path: what a run's time depended on.
local critical_path = require "cli.critical_path"
local gantt = require "cli.output.gantt"
local style = require "cli.output.style"

local function look(columns, utf8_letters)
  return style.new({ utf8 = utf8_letters, columns = columns }, "never")
end

local function span(key, from, start, finish, more)
  local one = { key = key, from = from, start = start, finish = finish, operation = "file.read", status = "completed",
    outcome = "ok" }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function task(key, after, more)
  local one = { key = key, operation = "file.read", input = {}, options = { after = after } }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function index(spans)
  local by_key = {}
  for _, one in ipairs(spans) do by_key[one.key] = one end
  return by_key
end

local function keys(path)
  local list = {}
  for i, one in ipairs(path) do list[i] = one.key end
  return table.concat(list, " ")
end

local DIAMOND = { tasks = { task "a", task("b", { "a" }), task("c", { "a" }), task("d", { "b", "c" }) } }

local function diamond()
  return { span("a", 0, 0, 100), span("b", 0, 100, 300), span("c", 0, 150, 900), span("d", 0, 900, 1000) }
end

describe("a gantt chart", function()
  it("has what lies below a task behind it, whoever began in between", function()
    local spans = { span("sub", 0, 0, 9), span("other", 0, 0, 3), span("sub/inner", 0, 1, 9), span("made", 0, 2, 3),
      span("sub/inner/1/x", 0, 2, 3), span("made/compensate", 0, 8, 9) }
    assert.equal("sub sub/inner sub/inner/1/x other made made/compensate", keys(gantt.tree(spans)))
  end)
end)

describe("the critical path", function()
  it("goes back from what ended last through what each waited for", function()
    local spans = diamond()
    local path = critical_path.find(DIAMOND, index(spans))
    assert.equal("a c d", keys(path))
    assert.equal(50, path[2].gap)
    assert.is_nil(spans[2].critical)
  end)

  it("leaves out what was skipped, and is empty where nothing ran", function()
    local spans = diamond()
    spans[4].skipped = true
    assert.equal("a c", keys(critical_path.find(DIAMOND, index(spans))))
    assert.equal("", keys(critical_path.find(DIAMOND, {})))
  end)

  it("goes through a sub-melody, and to the last child of a map", function()
    local definition = {
      tasks = { task "a", { key = "s", verb = "sub", melody = "inner", params = {}, options = { after = { "a" } } } },
      melodies = { inner = { tasks = { task "x", task("y", { "x" }), task "z" } } },
    }
    local spans = { span("a", 0, 0, 10, { last_child = span("a/7", 0, 0, 10) }), span("s", 0, 10, 60),
      span("s/x", 0, 10, 30), span("s/y", 0, 30, 60), span("s/z", 0, 10, 20) }
    assert.equal("a a/7 s s/x s/y", keys(critical_path.find(definition, index(spans))))
  end)

  it("a task was wanted when its predecessors had ended", function()
    local spans = diamond()
    critical_path.set_ready(DIAMOND, index(spans))
    assert.equal(100, spans[3].from)
    assert.equal(900, spans[4].from)
  end)
end)

local UTF8 = [[
  a      ██████                                                           100 ms
  b           ▒▒▒▒▒▒▒▒▒▒▒▒▒                                               200 ms
  c x12       ···█████████████████████████████████████████████            750 ms
  d                                                           ██████      100 ms
         0                                                     1.0 s
  █ critical path: 950 ms in 3 tasks   ▒ other   · waits
]]

local function chart(columns, utf8_letters)
  local spans = diamond()
  spans[3].children = { count = 12, failed = 0 }
  spans[3].key, spans[3].operation = "c", "host.each"
  critical_path.set_ready(DIAMOND, index(spans))
  local model = { spans = spans, finish = 1000, path = critical_path.find(DIAMOND, index(spans)) }
  return gantt.lines(model, look(columns, utf8_letters)), model
end

describe("the chart", function()
  it("fits 80 columns, the path in full blocks, waits as dots, children as a count", function()
    local lines = chart(80, true)
    assert.equal(UTF8, table.concat(lines, "\n") .. "\n")
  end)

  it("fits any width in ASCII; a narrow one has no times", function()
    for columns = 30, 120, 7 do
      for _, line in ipairs((chart(columns, false))) do
        assert.is_true(#line <= math.max(columns, 36), columns .. ": " .. line)
        assert.is_nil(line:find "[\128-\255]")
      end
    end
    assert.is_nil(table.concat((chart(26, false)), "\n"):find("750 ms", 1, true))
  end)

  it("folds the short ones of many tasks into bars with their number", function()
    local spans = {}
    for i = 1, 500 do spans[i] = span("t" .. i, i, i, i + 1) end
    spans[250].critical = true
    spans[400].finish = 900
    local folded = gantt.fold(spans)
    assert.is_true(#folded <= 82)
    local total, seen = 0, {}
    for _, one in ipairs(folded) do
      total = total + (one.folded or 1)
      seen[one.key] = true
    end
    assert.equal(500, total)
    assert.is_true(seen.t250 and seen.t400)
  end)

  it("of a run that has done nothing is empty", function()
    assert.same({}, gantt.lines({ spans = {}, finish = 0, path = {} }, look(80, true)))
  end)
end)
