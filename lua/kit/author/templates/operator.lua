--- A new operator: it counts lines, words and bytes of a file.
return {
  ["Symphony.toml"] = [=[
[extension]
name = "@NAME@"
version = "0.1.0"
type = "operator"
category = "text"
description = "Counts lines, words and bytes of files."
license = "MIT"
symphony = ">=0.1, <1"
entry = "init.lua"

[operator]
operator_type = "text"

[capabilities]
fs.read = ["$PROJECT/**"]

[operation.count]
doc = "How many lines, words and bytes a file has."
effects = "read"
idempotent = true

[operation.count.input]
type = "object"
additionalProperties = false
required = ["path"]
properties = { path = { type = "string", minLength = 1 } }

[operation.count.output]
type = "object"
additionalProperties = false
required = ["lines", "words", "bytes"]

[operation.count.output.properties]
lines = { type = "integer" }
words = { type = "integer" }
bytes = { type = "integer" }
summary = { type = "string" }
]=],
  ["init.lua"] = [=[
local fs = require "fs"

local M = {}

local function occurrences(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

---@param input { path: string }
---@param ctx symphony.Ctx
function M.count(input, ctx)
  local text, message, code = fs.read(input.path)
  if not text then return nil, message, code end
  ctx.log("debug", ("read %s"):format(input.path))
  local words = occurrences(text, "%S+")
  return { lines = occurrences(text, "\n"), words = words, bytes = #text, summary = ("%d words"):format(words) }
end

return M
]=],
  ["spec/@LAST@_spec.lua"] = [=[
local testing = require "testing"

describe("count", function()
  before_each(function()
    testing.files { ["docs/a.md"] = "one two\nthree\n" }
  end)

  it("counts lines, words and bytes", function()
    local out = assert(testing.call("count", { path = "docs/a.md" }))
    assert.same({ lines = 2, words = 3, bytes = 14, summary = "3 words" }, out)
  end)

  it("says which file is missing", function()
    local out, message, code = testing.call("count", { path = "gone.md" })
    assert.is_nil(out)
    assert.equal("not_found", code)
    assert.truthy(message:find("gone.md", 1, true))
  end)

  it("reads nothing outside of the project", function()
    assert.equal("permission_denied", select(3, testing.call("count", { path = "/etc/passwd" })))
  end)

  it("takes what its schema has", function()
    assert.equal("unknown_field", select(3, testing.call("count", { paht = "docs/a.md" })))
  end)
end)
]=],
  example = "count -p path=README.md",
}
