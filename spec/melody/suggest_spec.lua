local suggest = require "melody.suggest"

describe("suggest.nearest", function()
  it("gives nothing when nothing is near", function()
    assert.is_nil(suggest.nearest("files", { "patch", "stat" }))
    assert.is_nil(suggest.nearest("x", {}))
    assert.is_nil(suggest.nearest("ab", { "xy" }))
  end)

  it("finds a swap, a missing, an extra and a wrong letter", function()
    for _, typo in ipairs { "fiels", "file", "filess", "fikes", "Files" } do
      assert.equal("files", suggest.nearest(typo, { "patch", "files", "stat" }), typo)
    end
  end)

  it("prefers the nearer, and the first by name among equals", function()
    assert.equal("file", suggest.nearest("fil", { "files", "file" }))
    assert.equal("bar", suggest.nearest("ba", { "baz", "bar" }))
  end)

  it("makes a phrase", function()
    assert.equal("did you mean `files`?", suggest.phrase("fiels", { "files" }))
    assert.is_nil(suggest.phrase("other", { "files" }))
  end)
end)
