--- The bundled extensions pass their own tests, as anybody's do: in an isolate, under `symphony ext test`.
local json = require "sy.json"
local paths = require "kit.paths"
local support = require "support"

describe("the tests of", function()
  for _, name in ipairs(paths.names(support.root .. "/extensions/operators")) do
    it(name .. " pass", function()
      local dir = support.tmpdir()
      local r = support.symphony({ "ext", "test", support.root .. "/extensions/operators/" .. name, "--json" },
        { cwd = dir, timeout_s = 120 })
      local doc = json.decode(r.out)
      assert.is_table(doc, r.err)
      for _, one in ipairs(doc.cases) do
        assert.equal("passed", one.status, one.case .. ": " .. (one.problems[1] and one.problems[1].message or ""))
      end
      assert.equal(0, r.code)
    end)
  end
end)
