local hash = require "sy.hash"

describe("hash", function ()
  it("computes SHA-256 (FIPS 180-4)", function ()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hash.sha256 "")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hash.sha256 "abc")
    assert.equal(32, #hash.sha256("abc", true))
    assert.equal(hash.sha256 "abc", hash.hex(hash.sha256("abc", true)))
  end)

  it("computes HMAC-SHA-256 (RFC 4231, cases 1 and 2)", function ()
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      hash.hmac_sha256(("\11"):rep(20), "Hi There"))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      hash.hmac_sha256("Jefe", "what do ya want for nothing?"))
  end)

  it("writes and reads hex", function ()
    assert.equal("00ff41", hash.hex "\0\255A")
    assert.equal("\0\255A", hash.unhex "00fF41")
    assert.equal("", hash.unhex "")
    for _, bad in ipairs {"0", "0g", "00 ", "xx"} do
      local bytes, _, code = hash.unhex(bad)
      assert.is_nil(bytes)
      assert.equal("invalid_value", code)
    end
  end)

  it("writes and reads base64 (RFC 4648)", function ()
    for text, coded in pairs {[""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\255\254"] = "//4="} do
      assert.equal(coded, hash.base64(text))
      assert.equal(text, hash.unbase64(coded))
    end
    assert.equal("foobar", hash.unbase64 "Zm9v\nYmFy\n")
    for _, bad in ipairs {"Zg", "Zg=", "Z", "Zm9v!", "===="} do assert.is_nil((hash.unbase64(bad))) end
  end)

  it("compares", function ()
    assert.is_true(hash.equal("abc", "abc"))
    assert.is_false(hash.equal("abc", "abd"))
    assert.is_false(hash.equal("abc", "ab"))
    assert.is_true(hash.equal("", ""))
  end)
end)
