--- kit.value_diff: where two values differ.
local json = require "sy.json"
local value_diff = require "kit.value_diff"

local function changes(a, b, options)
  return value_diff.changes(json.decode(a), json.decode(b), options)
end

local function paths(list)
  local out = {}
  for i, change in ipairs(list) do out[i] = change.kind .. " " .. change.path end
  return out
end

describe("the changes between two values", function()
  it("are none where the texts are the same, whatever the order of keys", function()
    assert.same({}, changes('{"a":1,"b":[null,false,{}]}', '{"b":[null,false,{}],"a":1}'))
  end)

  it("tell integers from doubles, null from absence, an empty list from an empty map", function()
    assert.same({ "changed a", "removed b", "changed c" },
      paths(changes('{"a":1,"b":null,"c":[]}', '{"a":1.0,"c":{}}')))
  end)

  it("keep false apart from absence", function()
    assert.same({ "changed [1]", "changed [2]" }, paths(changes("[1,false]", "[false,2]")))
    assert.same({ "removed a[1]" }, paths(changes('{"a":[false]}', '{"a":[]}')))
    local list = changes('{"a":false}', "{}")
    assert.is_false(list[1].from)
  end)

  it("name maps by key and lists by place, odd keys in brackets", function()
    assert.same({ "changed files[2].size", 'changed ["odd key"]' },
      paths(changes('{"files":[1,{"size":1}],"odd key":1}', '{"files":[1,{"size":2}],"odd key":2}')))
  end)

  it("leave out the equal beginning and end of lists", function()
    local list = changes("[1,2,3,4]", "[1,9,2,3,4]")
    assert.same({ "added [2]" }, paths(list))
    assert.equal(9, list[1].to)
  end)

  it("of long texts are a patch, of short ones the texts", function()
    local list = changes('{"t":"one\\ntwo\\n","s":"x"}', '{"t":"one\\nthree\\n","s":"y"}')
    assert.equal("x", list[1].from)
    assert.is_nil(list[1].patch)
    assert.equal("--- before\n+++ after\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n", list[2].patch)
  end)

  it("of artifacts are their hashes, not their metadata", function()
    local list = changes('{"$artifact":"sha256:a","size":1}', '{"$artifact":"sha256:b","size":2}')
    assert.same({ "changed " }, paths(list))
  end)

  it("are counted beyond the limit", function()
    local list, more = changes("[1,2,3,4]", "[5,6,7,8]", { most = 3 })
    assert.equal(3, #list)
    assert.equal(1, more)
  end)
end)
