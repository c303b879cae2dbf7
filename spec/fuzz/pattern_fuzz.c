/*
 * pattern_fuzz.c: our matcher against Lua's own. Input: a byte that picks the function, a byte with the length of
 * the pattern, the pattern, then the subject. Both sides run in plain states; results and errors must be equal. Ours
 * goes first: a case that uses up its budget would keep Lua's busy for ever, and is not compared.
 */
#include "kit/isolate.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs one function of string in a way that both sides share; gives the results as one text. */
static const char script[] =
    "local which, pattern, subject = ...\n"
    "local function show(...)\n"
    "  local all = table.pack(...)\n"
    "  for i = 1, all.n do all[i] = math.type(all[i]) or type(all[i]) .. ':' .. tostring(all[i]) if "
    "math.type(select(i, ...)) then all[i] = 'n:' .. select(i, ...) end end\n"
    "  return table.concat(all, '\\1')\n"
    "end\n"
    "local function run()\n"
    "  if which == 0 then return show(subject:find(pattern)) end\n"
    "  if which == 1 then return show(subject:match(pattern)) end\n"
    "  if which == 2 then return show(subject:find(pattern, #subject // 2 - 1)) end\n"
    "  if which == 3 then return show(subject:gsub(pattern, '<%0>')) end\n"
    "  if which == 4 then return show(subject:gsub(pattern, '%1%%', 3)) end\n"
    "  if which == 5 then return show(subject:gsub(pattern, function(...) return show(...) end)) end\n"
    "  if which == 6 then return show(subject:gsub(pattern, {a = 'x', [1] = 'one'})) end\n"
    "  if which == 7 then return show(subject:gsub('.', pattern)) end\n"
    "  local out = {}\n"
    "  for a, b, c in subject:gmatch(pattern, which - 8) do out[#out + 1] = show(a, b, c) if #out > 50 then break end "
    "end\n"
    "  return table.concat(out, '\\2')\n"
    "end\n"
    "local ok, result = pcall(run)\n"
    "return (ok and 'ok ' or 'error ') .. tostring(result)";

enum { FUNCTIONS = 11, MAX_SUBJECT = 60, MAX_PATTERN = 24, BUDGET_MS = 100 };

static void
push_case(lua_State *L, int which, const char *p, size_t plen, const char *s, size_t slen)
{
    lua_pushinteger(L, which);
    lua_pushlstring(L, p, plen);
    lua_pushlstring(L, s, slen);
}

static int
eval_ours(sy__isolate *iso, int which, const char *p, size_t plen, const char *s, size_t slen, sy__vbuf *out)
{
    sy__vbuf args;
    sy__value v;
    sy__vbuf_init(&args, &sy__alloc_default);
    sy__vbuf_array(&args);
    sy__vbuf_int(&args, which);
    sy__vbuf_str(&args, p, plen);
    sy__vbuf_str(&args, s, slen);
    sy__vbuf_end(&args);
    sy__error err = {0};
    int rc = sy__vbuf_done(&args, &v);
    if (rc == SY_OK) rc = sy__isolate_eval(iso, script, sizeof script - 1, "x.lua", v, BUDGET_MS, out, &err);
    if (rc && rc != SY_ETIMEOUT) (void)fprintf(stderr, "%s:%d: %s\n", err.file, err.line, err.message);
    sy__vbuf_close(&args);
    return rc;
}

static void
compare(lua_State *theirs, sy__isolate *iso, int which, const char *p, size_t plen, const char *s, size_t slen)
{
    sy__vbuf out;
    sy__value v;
    size_t len = 0, want_len = 0;
    sy__vbuf_init(&out, &sy__alloc_default);
    int rc = eval_ours(iso, which, p, plen, s, slen, &out);
    if (rc == SY_ETIMEOUT) {
        sy__vbuf_close(&out);
        return;
    }
    if (luaL_loadbufferx(theirs, script, sizeof script - 1, "@x.lua", "t") != LUA_OK) abort();
    push_case(theirs, which, p, plen, s, slen);
    if (lua_pcall(theirs, 3, 1, 0) != LUA_OK) abort();
    const char *want = lua_tolstring(theirs, -1, &want_len);
    if (rc || sy__vbuf_done(&out, &v)) abort();
    const char *got = sy__value_str(v, &len);
    if (!got || len != want_len || memcmp(got, want, len) != 0) {
        (void)fprintf(stderr, "function %d, pattern '%.*s', subject '%.*s':\n ours:  %.*s\n Lua's: %s\n", which,
                      (int)plen, p, (int)slen, s, (int)len, got ? got : "", want);
        abort();
    }
    lua_settop(theirs, 0);
    sy__vbuf_close(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t plen = data[1] % (MAX_PATTERN + 1);
    if (plen > size - 2) plen = size - 2;
    size_t slen = size - 2 - plen;
    if (slen > MAX_SUBJECT) slen = MAX_SUBJECT;
    lua_State *theirs = luaL_newstate();
    sy__isolate *iso = NULL;
    sy__isolate_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "fuzz"};
    if (!theirs || sy__isolate_new(&iso, &o, NULL)) abort();
    luaL_openlibs(theirs);
    compare(theirs, iso, data[0] % FUNCTIONS, (const char *)data + 2, plen, (const char *)data + 2 + plen, slen);
    lua_close(theirs);
    sy__isolate_free(iso);
    return 0;
}
