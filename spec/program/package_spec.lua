-- What others link: the Release build's libraries, installed into a folder of their own.
local support = require "support"

local release = os.getenv "SYMPHONY_RELEASE" or support.root .. "/build/release"

local PROGRAM = [[
#include <stdio.h>
#include <symphony.h>
int main(void) { return puts(sy_version()) < 0; }
]]

local function names(line)
  local list = {}
  for name in support.sh(line):gmatch "[^\n]+" do list[#list + 1] = name end
  return list
end

describe("the installed library", function ()
  local prefix, pkgconfig

  setup(function ()
    prefix = support.tmpdir()
    support.sh(("cmake --install '%s' --prefix '%s'"):format(release, prefix))
    support.write_file(prefix .. "/use/main.c", PROGRAM)
    pkgconfig = support.sh(("dirname $(find '%s' -name symphony.pc)"):format(prefix)):gsub("\n", "")
  end)

  it("shows sy_ symbols only, none of the inner ones", function ()
    local library = support.sh(("find '%s' -name 'libsymphony.so.0'"):format(prefix)):gsub("\n", "")
    local symbols = names(("nm -D --defined-only '%s' | sed 's/.* //'"):format(library))
    assert.is_true(#symbols > 0)
    for _, symbol in ipairs(symbols) do
      assert.truthy(symbol:find "^sy_[a-z]", symbol)
    end
  end)

  it("exports every function of the header", function ()
    local declared = names(([[
      sed -n 's/^SY_API .*\b\(sy_[a-z_]*\)(.*/\1/p' '%s/include/symphony.h' | sort -u]]):format(prefix))
    assert.is_true(#declared > 0)
    local exported = {}
    for _, symbol in ipairs(names(("nm -D --defined-only %s/libsymphony.so | sed 's/.* //'"):format(release))) do
      exported[symbol] = true
    end
    for _, name in ipairs(declared) do assert.is_true(exported[name], name .. " is declared, but not in the library") end
  end)

  it("is found by pkg-config", function ()
    local r = support.run({"sh", "-ec", [[
      cc main.c -o program $(pkg-config --cflags --libs symphony)
      LD_LIBRARY_PATH=$(pkg-config --variable=libdir symphony) ./program]]},
      {cwd = prefix .. "/use", env = {PKG_CONFIG_PATH = pkgconfig}})
    assert.same({0, ""}, {r.code, r.err})
    assert.truthy(r.out:find "^%d+%.%d+%.%d+\n$")
  end)

  it("links whole as an archive, with the libraries that the file names", function ()
    local r = support.run({"sh", "-ec", [[
      cc main.c -o static $(pkg-config --cflags symphony) \
        -Wl,--whole-archive "$(pkg-config --variable=libdir symphony)/libsymphony.a" -Wl,--no-whole-archive \
        $(pkg-config --libs $(pkg-config --print-requires-private symphony)) -lstdc++ -lm -lpthread
      ./static]]}, {cwd = prefix .. "/use", env = {PKG_CONFIG_PATH = pkgconfig}})
    assert.same({0, ""}, {r.code, r.err})
  end)

  it("is found by CMake", function ()
    support.write_file(prefix .. "/use/CMakeLists.txt", [[
      cmake_minimum_required(VERSION 3.25)
      project(use LANGUAGES C)
      find_package(symphony 0.1 REQUIRED)
      add_executable(program main.c)
      target_link_libraries(program symphony::symphony)
    ]])
    local out = support.sh(([[
      cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH='%s' >/dev/null && cmake --build build >/dev/null && build/program
    ]]):format(prefix), {cwd = prefix .. "/use"})
    assert.truthy(out:find "^%d+%.%d+%.%d+\n$")
  end)

  it("brings the program, which needs nothing of the tree", function ()
    local r = support.run({prefix .. "/bin/symphony", "version"}, {cwd = "/", env = {SYMPHONY_ROOT = false}})
    assert.same({0, ""}, {r.code, r.err})
  end)
end)
