/*
 * manifest_fuzz.c: any bytes as a Symphony.toml. Whatever they are, the reader gives a manifest or what is wrong with
 * it, each problem with code, message and file, and a line that the text has; it never raises.
 */
#include "bind/trusted.h"
#include "host/embed.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SOURCE = 8192 };

/* A text gives a manifest or problems, and the same ones when it is read again. */
static const char script[] =
    "local manifest = require 'kit.manifest'\n"
    "local function said(text, p)\n"
    "  assert(type(p.message) == 'string' and p.message ~= '', 'a problem without a message')\n"
    "  assert(p.code == 'manifest_invalid', tostring(p.code) .. ': ' .. p.message)\n"
    "  assert(p.where.file == 'Symphony.toml', 'a problem without a file')\n"
    "  local _, lines = text:gsub('\\n', '\\n')\n"
    "  local line = p.where.line\n"
    "  assert(line == nil or math.type(line) == 'integer' and line >= 1 and line <= lines + 1, p.message)\n"
    "  assert(p.hint == nil or type(p.hint) == 'string', p.message)\n"
    "  return p.message\n"
    "end\n"
    "return function(text)\n"
    "  local made, problems = manifest.read(text, 'Symphony.toml')\n"
    "  local again, others = manifest.read(text, 'Symphony.toml')\n"
    "  assert((made == nil) == (again == nil), 'read in two ways')\n"
    "  if made then return assert(type(made) == 'table') end\n"
    "  assert(#problems > 0 and #problems == #others, 'refused without a reason')\n"
    "  for i, p in ipairs(problems) do assert(said(text, p) == said(text, others[i]), 'other problems') end\n"
    "end";

/* One state for all inputs: reading leaves nothing behind. */
static lua_State *
state(void)
{
    static lua_State *L;
    if (L) return L;
    sy__error err = {0};
    const sy__trusted_options o = {.alloc = &sy__alloc_default, .source = sy__embedded_source};
    if (sy__trusted_new(&L, &o, &err) || luaL_dostring(L, script) != LUA_OK) {
        (void)fprintf(stderr, "%s\n", L ? lua_tostring(L, -1) : err.message);
        abort();
    }
    return L;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_SOURCE) return 0;
    lua_State *L = state();
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        (void)fprintf(stderr, "raised: %s\n", lua_tostring(L, -1));
        abort();
    }
    lua_settop(L, 1);
    return 0;
}
