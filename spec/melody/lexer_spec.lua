local lexer = require "melody.lexer"

local function texts(source)
  local out = {}
  for i, t in ipairs(assert(lexer.tokens(source))) do out[i] = t.text end
  return table.concat(out, "|")
end

describe("lexer.tokens", function()
  it("refuses what is not finished, with the line", function()
    for _, case in ipairs { { "x = 'a\nb'", 1 }, { "\n\nx = \"abc", 3 }, { "y = [[ a\n b", 1 } } do
      local tokens, message, line = lexer.tokens(case[1])
      assert.is_nil(tokens)
      assert.truthy(message:find "unfinished")
      assert.equal(case[2], line)
    end
  end)

  it("skips comments of every sort", function()
    assert.equal("a|b|c|d|", texts "a --x\nb --[[ y\n ]] c --[==[ ]] ]==] d -- end")
  end)

  it("skips the first line of a script", function()
    assert.equal("a|", texts "#!/usr/bin/lua\na")
    assert.equal("#|diff|>|0|", texts "#diff > 0")
  end)

  it("keeps names, numbers, operators and strings apart", function()
    assert.equal("a|=|0x1p4|+|1e-3|..|b|...|~=|::|3|..|x|", texts "a=0x1p4+1e-3 ..b ...~= :: 3 ..x")
    assert.equal("a|.|b|[|1|]|//|2|", texts "a.b[1]//2")
  end)

  it("gives strings as they are meant", function()
    assert.equal('say "x"\n|b]]|c|', texts [==['say "x"\n' [=[b]]]=] "c"]==])
  end)

  it("counts lines through long strings and comments", function()
    local tokens = lexer.tokens "a\n[[\n\n]] b --[[\n]]\nc"
    assert.same({ 1, 2, 4, 6 }, { tokens[1].line, tokens[2].line, tokens[3].line, tokens[4].line })
  end)
end)

describe("lexer.function_text", function()
  local function cut(source, line)
    return lexer.function_text(source, assert(lexer.tokens(source)), line)
  end

  it("refuses two on a line, methods, and lines without one", function()
    assert.same({ nil, "two functions begin on this line" }, { cut("f(function() end, function() end)", 1) })
    local _, why = cut("function a:b() end", 1)
    assert.equal("a method cannot be stored", why)
    _, why = cut("return 1", 1)
    assert.equal("the function was not found in the source", why)
  end)

  it("finds the end through every kind of block", function()
    local body = [[function(x)
      if x then while false do end elseif y then for i = 1, 2 do end else repeat until true end
      do local s = "end" end -- end
      return function_name, { ["end"] = 1 }
    end]]
    assert.equal(body, cut("local a = f(" .. body .. ", 2)", 1))
  end)

  it("takes the body of named functions", function()
    assert.equal("function(a, b) return a end", cut("local function pick(a, b) return a end", 1))
    assert.equal("function(a) end", cut("\nfunction m.x.y(a) end", 2))
  end)

  it("is not disturbed by a function that began on an earlier line", function()
    assert.equal("function(b)\nend", cut("f(function(a) return\nfunction(b)\nend end)", 2))
  end)
end)

describe("lexer.line_at", function()
  it("gives the line and the column", function()
    assert.same({ "cd", 2 }, { lexer.line_at("ab\ncd\nef", 5) })
    assert.same({ "ab", 1 }, { lexer.line_at("ab\r\ncd", 1) })
  end)
end)
