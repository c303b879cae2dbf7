local time = require "sy.time"

describe("time", function ()
  it("tells wall and monotonic time", function ()
    assert.equal("integer", math.type(time.now_ms()))
    assert.is_true(math.abs(time.now_ms() / 1000 - os.time()) < 3)
    local before = time.monotonic()
    assert.is_true(time.monotonic() >= before)
  end)

  it("writes ISO 8601", function ()
    assert.equal("1970-01-01T00:00:00.000Z", time.iso(0))
    assert.equal("2026-11-22T13:00:00.123Z", time.iso(1795352400123))
    assert.equal("1969-12-31T23:59:59.999Z", time.iso(-1))
    assert.error_matches(function () time.iso(1e18) end, "years 1 to 9999")
    assert.error_matches(function () time.iso(0 / 0) end, "years 1 to 9999")
  end)

  it("reads ISO 8601", function ()
    assert.equal(1795352400123, time.parse_iso "2026-11-22T13:00:00.123Z")
    assert.equal(1795352400000, time.parse_iso "2026-11-22T15:00:00+02:00")
    assert.equal(1795352400000, time.parse_iso "2026-11-22 08:00-0500")
    assert.equal(1795305600000, time.parse_iso "2026-11-22")
    assert.equal(1795352400120, time.parse_iso "2026-11-22T13:00:00.12")
    assert.equal(1795352400123, time.parse_iso "2026-11-22T13:00:00.123456789Z")
    assert.equal(951782400000, time.parse_iso "2000-02-29")
  end)

  it("reads back what it writes", function ()
    for ms = -62135596800000, 253402300799999, 7919191919191 do assert.equal(ms, time.parse_iso(time.iso(ms))) end
  end)

  it("refuses what is no time", function ()
    for _, bad in ipairs {"", "2026", "2026-13-01", "2026-02-29", "1900-02-29", "2026-11-22T", "2026-11-22T24:00",
      "2026-11-22T13:60", "2026-11-22T13:00:61", "2026-11-22T13:00:00.", "2026-11-22T13:00Zx", "2026-11-22T13:00+25:00",
      "2026-11-22\0", "x026-11-22", "0000-01-01"} do
      local ms, message, code = time.parse_iso(bad)
      assert.is_nil(ms)
      assert.matches("a time like", message)
      assert.equal("invalid_value", code)
    end
  end)
end)
