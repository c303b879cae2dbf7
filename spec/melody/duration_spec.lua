local duration = require "melody.duration"

describe("duration.parse", function()
  it("refuses what is no duration", function()
    for _, wrong in ipairs { "", "60", "s", "60 s", "-1s", "1w", "1e3s", "0s", "400d", "0.1ms", 60, true, {} } do
      local ms, message = duration.parse(wrong)
      assert.is_nil(ms, tostring(wrong))
      assert.truthy(message:find "duration")
    end
  end)

  it("reads every unit", function()
    assert.same({ 100, 60000, 120000, 3600000, 604800000, 1500 },
                { duration.parse "100ms", (duration.parse "60s"), (duration.parse "2m"), (duration.parse "1h"),
                  (duration.parse "7d"), (duration.parse "1.5s") })
  end)
end)

describe("duration.milliseconds", function()
  it("refuses text, fractions and nonsense", function()
    for _, wrong in ipairs { "5", 1.5, 0, -1, true, 1 << 60 } do assert.is_nil((duration.milliseconds(wrong))) end
  end)

  it("takes whole numbers", function()
    assert.equal(5, duration.milliseconds(5))
    assert.equal(5, duration.milliseconds(5.0))
  end)
end)

describe("duration.format", function()
  it("gives back what parse reads", function()
    for _, text in ipairs { "1ms", "100ms", "61s", "2m", "25h", "7d" } do
      assert.equal(text, duration.format(duration.parse(text)))
    end
  end)
end)
