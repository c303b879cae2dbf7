--- The module `melody.test` as the author of a test sees it. Runs in an isolate like a melody; only data leaves it.
---
---   local test = require "melody.test"
---   local t = test "review"
---   t:case("writes a report", { stubs = { diff = { files = {} } }, expect = { ran = { "report" } } })
---   return t
local handle = require "melody.handle"
local json = require "json"
local native = require "melody.native"
local values = require "melody.values"

native.own()

local M = {}

local Test = {}
local state = setmetatable({}, { __mode = "k" }) -- test → {melody, cases, by_name}
local made = setmetatable({}, { __mode = "k" })  -- outcomes that this module made

local CASE = { params = true, stubs = true, answers = true, expect = true, replay = true }
local EXPECT = { status = true, error = true, outputs = true, tasks = true, ran = true, not_run = true, order = true,
                 outcomes = true, attempts = true, inputs = true, cost = true, check = true }

local fail = handle.fail

local function known(map, what, names)
  if type(map) ~= "table" then fail(("%s is a table"):format(what)) end
  local list = {}
  for name in next, names do list[#list + 1] = name end
  table.sort(list)
  for name in next, map do
    if not names[name] then
      fail(("%s has no field `%s`"):format(what, tostring(name)), "there are: " .. table.concat(list, ", "))
    end
  end
end

--- An outcome: what is played for one call.
local function outcome(fields, more)
  known(more or {}, "the details of an outcome", { ms = true, usd = true, tokens = true, transient = true })
  for name, value in next, more or {} do fields[name] = value end
  made[fields] = true
  return fields
end

--- A call that gives `output`, with the time it took and what it cost.
function M.give(output, more)
  return outcome({ output = output == nil and json.null or values.plain(output, "an output") }, more)
end

--- A call that fails.
function M.fail(code, message, more)
  if type(code) ~= "string" then fail("test.fail needs a code", 'such as test.fail("timeout", "it took too long")') end
  local transient = more and more.transient
  local fields = outcome({ error = { code = code, message = message or code } }, more)
  fields.error.transient, fields.transient = transient, nil
  return fields
end

--- Several calls, one after the other; the last outcome stays.
function M.sequence(list)
  local out = { sequence = {} }
  for i, item in ipairs(list) do out.sequence[i] = made[item] and item or M.give(item) end
  if #out.sequence == 0 then fail "test.sequence needs a list of outcomes" end
  made[out] = true
  return out
end

local function entry(task, item)
  return { task = task, output = item.output, error = item.error, ms = item.ms, tokens = item.tokens,
           usd_micro = item.usd and math.floor(item.usd * 1000000 + 0.5) or nil }
end

--- What the stubs play: entries of a tape, keys without `*` first.
local function entries(stubs)
  local keys, list = {}, json.array({})
  for key in next, stubs do
    if type(key) ~= "string" then
      fail("stubs are named by the keys of tasks", 'stubs = { diff = { … }, ["checks/*"] = { … } }')
    end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local item = stubs[key]
    if type(item) ~= "table" or not made[item] then item = M.give(item) end
    for _, one in ipairs(item.sequence or { item }) do list[#list + 1] = entry(key, one) end
  end
  return list
end

local function copy_expect(expect)
  local out = {}
  for name, value in next, expect do
    if name ~= "check" then out[name] = values.plain(value, "expect." .. name) end
  end
  return out
end

function Test.case(self, name, spec)
  local own = state[self]
  if not own then fail "case is called with a colon: t:case(…)" end
  if type(name) ~= "string" or name == "" then fail "a case has a name" end
  if own.by_name[name] ~= nil then fail(("two cases are named %q"):format(name)) end
  spec = spec or {}
  known(spec, "a case", CASE)
  local expect = spec.expect or {}
  known(expect, "expect", EXPECT)
  if expect.check ~= nil and type(expect.check) ~= "function" then fail "expect.check is a function of the run" end
  local _, line = native.place()
  own.by_name[name] = expect.check or false
  own.cases[#own.cases + 1] = {
    name = name, line = line, params = values.plain(spec.params or {}, "params"),
    stubs = entries(spec.stubs or {}), answers = values.plain(spec.answers or {}, "answers"),
    expect = copy_expect(expect), checks = expect.check ~= nil,
  }
end

--- The cases of a test as data.
function M.data(test)
  local own = state[test]
  if not own then fail("a test file returns its test", "end it with `return t`") end
  return { melody = own.melody, cases = json.array(own.cases) }
end

--- Runs the function of a case over what ran; {ok, message}.
function M.check(test, name, run)
  local ok, good, message = pcall(state[test].by_name[name], run)
  if not ok then return { ok = false, message = tostring(good) } end
  if good == false or good == nil and message ~= nil then
    return { ok = false, message = tostring(message or "it is false") }
  end
  return { ok = true }
end

local meta = { __index = Test, __metatable = "melody.test" }

return setmetatable(M, {
  __call = function(_, melody)
    if type(melody) ~= "string" then fail("a test names its melody", 'local t = test "review"') end
    local test = setmetatable({}, meta)
    state[test] = { melody = melody, cases = {}, by_name = {} }
    return test
  end,
})
