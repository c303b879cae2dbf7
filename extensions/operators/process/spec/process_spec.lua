local extension = require "extension"
local support = require "support"

local process = extension.loader("extensions/operators/process", extension.library(support.tmpdir())) "init"

describe("process.run", function ()
  it("gives a non-zero exit as a result, or with check as an error", function ()
    local out = assert(process.run {argv = {"sh", "-c", "cat; echo e >&2; exit 3"}, stdin = "in"})
    assert.same({3, "in", "e\n", "exit code 3"}, {out.exit_code, out.stdout, out.stderr, out.summary})
    assert.equal("process_failed", select(3, process.run {argv = {"false"}, check = true}))
  end)

  it("names a program that is missing", function ()
    assert.equal("not_found", select(3, process.run {argv = {"no-such-program-here"}}))
  end)
end)
