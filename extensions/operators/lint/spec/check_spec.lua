local testing = require "testing"

describe("lint.check", function ()
  it("says that a file is not there", function ()
    assert.equal("not_found", select(3, testing.call("check", {path = "x.c"})))
  end)

  it("takes no tool as a result", function ()
    testing.files {["x.sh"] = "echo $x\n"}
    local out = assert(testing.call("check", {path = "x.sh"}))
    assert.same({{}, {}, "no linter for this file"}, {out.findings, out.tools, out.summary})
    assert.same({{tool = "shellcheck", reason = "not installed"}}, out.skipped)
  end)

  it("reads what a tool says, and marks what is in changed lines", function ()
    testing.files {["x.lua"] = "local a = 1\nlocal b = 2\n"}
    testing.program({"luacheck"}, {exit_code = 1, stdout = "./x.lua:1:7: (W211) unused variable 'a'\n"
      .. "./x.lua:2:7: (W211) unused variable 'b'\n"})
    local out = assert(testing.call("check", {path = "x.lua", ranges = {{2, 2}}}))
    assert.same({1, false, 2, true}, {out.findings[1].line, out.findings[1].new, out.findings[2].line,
      out.findings[2].new})
    assert.truthy(table.concat(testing.ran()[1].argv, " "):find("--no-config", 1, true))
  end)

  it("checks JSON by itself", function ()
    testing.files {["x.json"] = "{\n\"a\": 1,\n}\n"}
    assert.equal(1, #assert(testing.call("check", {path = "x.json"})).findings)
    assert.same({}, testing.ran())
  end)
end)
