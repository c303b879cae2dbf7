local testing = require "testing"

describe("process.run", function ()
  it("gives a non-zero exit as a result, or with check as an error", function ()
    testing.real "*"
    local out = assert(testing.call("run", {argv = {"sh", "-c", "cat; echo e >&2; exit 3"}, stdin = "in"}))
    assert.same({3, "in", "e\n", "exit code 3"}, {out.exit_code, out.stdout, out.stderr, out.summary})
    assert.equal("process_failed", select(3, testing.call("run", {argv = {"false"}, check = true})))
  end)

  it("names a program that is missing", function ()
    testing.real "*"
    assert.equal("not_found", select(3, testing.call("run", {argv = {"no-such-program-here"}})))
  end)
end)
