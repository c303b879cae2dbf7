--- The lint operator with the tools of this machine, which read their own files and settings.
local extension = require "extension"
local support = require "support"

--- The operator over a folder in which only these tools are installed.
local function lint_of(dir, installed, ran)
  local library = extension.library(dir)
  local run = library.process.run
  library.process = {
    which = function (name)
      for _, one in ipairs(installed) do
        if one == name then return "/usr/bin/" .. name end
      end
    end,
    run = function (options)
      if ran then
        ran[#ran + 1], ran.reads = options.argv, options.reads
      end
      return run(options)
    end,
  }
  return extension.loader("extensions/operators/lint", library) "init"
end

local function project(name, content)
  local dir = support.tmpdir()
  support.write_file(dir .. "/" .. name, content)
  return dir
end

describe("lint.check", function ()
  it("says that a file is not there", function ()
    assert.equal("not_found", select(3, lint_of(support.tmpdir(), {}).check({path = "x.c"}, extension.ctx())))
  end)

  it("takes no tool as a result", function ()
    local out = assert(lint_of(project("x.sh", "echo $x\n"), {}).check({path = "x.sh"}, extension.ctx()))
    assert.same({{}, {}, "no linter for this file"}, {out.findings, out.tools, out.summary})
    assert.same({{tool = "shellcheck", reason = "not installed"}}, out.skipped)
  end)

  it("leaves binary, empty and unknown files alone", function ()
    for name, content in pairs {["x.c"] = "a\0b", ["y.c"] = "", ["z.txt"] = "text"} do
      local out = assert(lint_of(project(name, content), {"cppcheck"}).check({path = name}, extension.ctx()))
      assert.same({{}, {}}, {out.tools, out.skipped})
    end
  end)

  it("reads what the machine's tools say, and marks what is in changed lines", function ()
    local dir = project("x.lua", "local a = 1\nlocal b = 2\n")
    local out = assert(lint_of(dir, {"luacheck", "luac5.4"}).check({path = "x.lua", ranges = {{2, 2}}},
      extension.ctx()))
    assert.same({"luacheck"}, out.tools)
    assert.same({1, false, 2, true}, {out.findings[1].line, out.findings[1].new, out.findings[2].line,
      out.findings[2].new})
    assert.same({"x.lua", "luacheck", "W211"}, {out.findings[1].path, out.findings[1].tool, out.findings[1].rule})
  end)

  it("names what a tool reads besides the file, so that its findings can be kept", function ()
    local dir, ran = project("src/x.c", '#include "x.h"\n#include <stdio.h>\nint x;\n'), {}
    support.write_file(dir .. "/src/x.h", '# include "../in/y.h"\n')
    support.write_file(dir .. "/in/y.h", '#include "gone.h"\n#include "../src/x.h"\n')
    local function reads_of(name, trusted)
      local ctx = extension.ctx()
      ctx.trusted = trusted
      assert(lint_of(dir, {"cppcheck", "luacheck", "shellcheck"}, ran).check({path = name}, ctx))
      return ran.reads
    end
    assert.same({"src/x.h", "in/y.h", "in/gone.h"}, reads_of "src/x.c")
    support.write_file(dir .. "/in/y.h", "#include NAME\n")
    assert.is_false(reads_of "src/x.c")
    support.write_file(dir .. "/in/y.h", "/* */ #include \"z.h\"\n")
    assert.is_false(reads_of "src/x.c")
    support.write_file(dir .. "/x.sh", "echo\n")
    assert.same({}, reads_of "x.sh")
    support.write_file(dir .. "/x.lua", "return 1\n")
    assert.same({}, reads_of "x.lua")
    assert.is_false(reads_of("x.lua", true))
    support.write_file(dir .. "/.luacheckrc", "std = 'lua54'\n")
    assert.same({".luacheckrc"}, reads_of("x.lua", true))
    support.write_file(dir .. "/.luacheckrc", "std = os.getenv 'STD' or 'lua54'\n")
    assert.is_false(reads_of("x.lua", true))
  end)

  it("runs no code of a project that is not trusted", function ()
    local dir, ran = project("x.lua", "return 1\n"), {}
    support.write_file(dir .. "/.luacheckrc", "os.execute('touch " .. dir .. "/ran')\n")
    assert(lint_of(dir, {"luacheck"}, ran).check({path = "x.lua"}, extension.ctx()))
    assert.truthy(table.concat(ran[1], " "):find("--no-config", 1, true))
    assert.is_false(support.exists(dir .. "/ran"))
    support.write_file(dir .. "/x.js", "let a = 1\n")
    support.write_file(dir .. "/eslint.config.js", "")
    local out = assert(lint_of(dir, {"eslint"}).check({path = "x.js"}, extension.ctx()))
    assert.same({tool = "eslint", reason = "not trusted"}, out.skipped[1])
  end)

  it("takes a name that starts with a dash for a name", function ()
    local out = assert(lint_of(project("-x.lua", "local a = 1\n"), {"luacheck"}).check({path = "-x.lua"},
      extension.ctx()))
    assert.equal(1, #out.findings)
  end)

  it("finds Python's mistakes without running the file", function ()
    local dir = project("x.py", "open('ran', 'w')\nif True\n  pass\n")
    local out = assert(lint_of(dir, {"python3"}).check({path = "x.py"}, extension.ctx()))
    assert.same({2, "python3", "error"}, {out.findings[1].line, out.findings[1].tool, out.findings[1].severity})
    assert.is_false(support.exists(dir .. "/ran"))
  end)

  it("checks JSON by itself", function ()
    local out = assert(lint_of(project("x.json", "{\n\"a\": 1,\n}\n"), {}).check({path = "x.json"}, extension.ctx()))
    assert.same({1, "error"}, {#out.findings, out.findings[1].severity})
    out = assert(lint_of(project("x.json", "{\"a\": 1}\n"), {}).check({path = "x.json"}, extension.ctx()))
    assert.same({{}, {"symphony"}}, {out.findings, out.tools})
  end)
end)
