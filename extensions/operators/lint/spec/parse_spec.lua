local kind = require "kind"
local parse = require "parse"

describe("what linters print", function ()
  it("is read from gcc's form", function ()
    assert.same({
      {line = 3, column = 5, severity = "warning", rule = "SC2086", message = "Double quote: to prevent globbing."},
      {line = 9, column = 1, severity = "error", rule = "clang-diagnostic-error", message = "unknown type name 'x'"},
    }, parse.gcc [[
./a.sh:3:5: warning: Double quote: to prevent globbing. [SC2086]
    source line: not a finding
/p/a.c:9:1: error: unknown type name 'x' [clang-diagnostic-error]
1 warning generated.
]])
  end)

  it("is read from cppcheck's template", function ()
    assert.same({{line = 7, column = 2, severity = "note", rule = "unusedFunction", message = "a\tb"}},
      parse.cppcheck "7\t2\tstyle\tunusedFunction\ta\tb\nnofile:0\n")
  end)

  it("is read from luacheck, pyflakes, yamllint", function ()
    assert.same({{line = 1, column = 7, rule = "W211", severity = "warning", message = "unused variable 'x'"}},
      parse.luacheck "./x.lua:1:7: (W211) unused variable 'x'\n")
    assert.same({{line = 1, column = 1, severity = "warning", message = "'os' imported but unused"}},
      parse.plain("./x.py:1:1: 'os' imported but unused\n", "warning"))
    assert.same({{line = 2, column = 1, severity = "error", rule = "key-duplicates",
      message = "duplication of key \"a\" in mapping"}},
      parse.yamllint "./x.yml:2:1: [error] duplication of key \"a\" in mapping (key-duplicates)\n")
  end)

  it("is read from syntax checkers", function ()
    assert.same({{line = 4, severity = "error", message = "invalid syntax"}}, parse.syntax "4:invalid syntax\n")
    assert.same({{line = 2, severity = "error", message = "PHP Parse error:  syntax error, unexpected end of file"}},
      parse.syntax "PHP Parse error:  syntax error, unexpected end of file in ./x.php on line 2\n")
    assert.same({{line = 3, severity = "error", message = "SyntaxError: Unexpected token '}'"}},
      parse.node "/p/x.js:3\n}\n^\n\nSyntaxError: Unexpected token '}'\n    at wrapSafe\n")
    assert.same({}, parse.node "")
  end)

  it("is read from decoded JSON", function ()
    assert.same({{line = 3, column = 1, severity = "warning", rule = "F401", message = "unused"}},
      parse.ruff {{code = "F401", message = "unused", location = {row = 3, column = 1}}})
    assert.same({{line = 5, column = 2, severity = "error", rule = "no-undef", message = "x"}},
      parse.eslint {{messages = {{line = 5, column = 2, severity = 2, ruleId = "no-undef", message = "x"}}}})
  end)
end)

describe("the kind of a file", function ()
  it("comes from its name, else from its first line", function ()
    local cases = {
      {"a/b.PY", "", "python"}, {"x.h", "", "header"}, {"run", "#!/usr/bin/env bash", "shell"}, {"run",
        "#!/bin/sh -e", "shell"},
      {"t", "#!/usr/bin/env -S python3 -I", "python"}, {"notes.txt", "#!/bin/sh", nil}, {"LICENSE", "MIT", nil},
        {".bashrc", "x", nil},
    }
    for _, case in ipairs(cases) do assert.equal(case[3], kind.of(case[1], case[2])) end
  end)
end)
