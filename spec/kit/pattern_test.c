/*
 * pattern_test.c: the matcher alone, and against Lua's string library on generated patterns and subjects: same
 * results, same captures, same errors.
 */
#include "kit/isolate.h"
#include "kit/pattern.h"

#include "test.h"

#include <lauxlib.h>
#include <lualib.h>

enum { CASES = 30000, LONG_CASES = 1000000, BATCH = 500 };

/* ---- alone ---- */

static bool
stop_now(void *ud, int64_t *fuel)
{
    (void)fuel;
    (*(int *)ud)++;
    return false;
}

static void
stops_when_told(void)
{
    int asked = 0;
    char subject[1000];
    memset(subject, 'a', sizeof subject);
    sy__match m = {.fuel = 10000, .refuel = stop_now, .ud = &asked};
    sy__match_init(&m, subject, sizeof subject, ".-.-.-b", 7);
    CHECK(sy__match_at(&m, subject) == NULL);
    CHECK(m.stopped);
    CHECK_INT(asked, 1);
}

static void
reads_no_byte_outside(void)
{
    /* Neither text has a NUL behind it: the sanitizer watches. */
    static const char *const patterns[] = {"[",  "[^",  "[]", "[a-",         "[%",   "%",  "%b",   "%bx",
                                           "%f", "%f[", "(",  "(()",         ")",    "a-", "[a-%", "%1",
                                           "$",  "^",   "a?", "[[:alpha:]]", "%bxy", "x*", "[^]",  "[]]"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t len = strlen(patterns[i]);
        char *p = malloc(len), *s = malloc(3);
        if (!p || !s) exit(1);
        memcpy(p, patterns[i], len);
        memcpy(s, "xay", 3);
        sy__match m = {.fuel = 1000};
        sy__match_init(&m, s, 3, p, len);
        for (const char *at = s; at <= s + 3; at++) (void)sy__match_at(&m, at);
        CHECK(!m.stopped);
        free(p);
        free(s);
    }
}

static void
knows_plain_patterns(void)
{
    CHECK(sy__pattern_plain("abc\0def", 7));
    CHECK(!sy__pattern_plain("abc\0d.f", 7));
    CHECK(sy__find_plain("abc", 3, "", 0) != NULL);
    CHECK(sy__find_plain("abcabd", 6, "abd", 3) != NULL);
    CHECK(sy__find_plain("ab", 2, "abd", 3) == NULL);
}

/* ---- against Lua ---- */

/* Generates cases from a seed with its own random numbers, so that both sides see the same. */
static const char script[] =
    "local seed, count = ...\n"
    "local function random(n) seed = (seed * 6364136223846793005 + 1442695040888963407) return ((seed >> 33) % n) + 1 "
    "end\n"
    "local singles = {'a', 'b', 'x', '.', '%a', '%d', '%s', '%w', '%A', '%p', '%c', '%g', '%l', '%u', '%x', '%z', "
    "'%.', '[ab]',\n"
    "  '[^ab]', '[a-c]', '[%a_]', '[]]', '[^]]', '[a-]', '[%]-a]', '\\0', '[\\0-\\31]', '%-', '[x%-z]', '\\255', '%S', "
    "'%q', '[^%w]'}\n"
    "local others = {'(', ')', '()', '%b()', '%bab', '%f[%a]', '%f[^a]', '%1', '%2', '^', '$', '%', '[', '%f', '%b', "
    "'[a', '-', '*',\n"
    "  '+', '?', '[%', '%0', '[^', '%9'}\n"
    "local repeats = {'', '', '', '*', '+', '-', '?'}\n"
    "local bytes = {'a', 'b', 'c', 'x', '1', ' ', '(', ')', '.', '-', 'A', '_', '\\0', '\\255', ']', '%', '\\n', 'z', "
    "'^', '$'}\n"
    "local function pattern()\n"
    "  local out = {}\n"
    "  if random(6) == 1 then out[1] = '^' end\n"
    "  local open = 0\n"
    "  for _ = 1, random(5) do\n"
    "    local pick = random(10)\n"
    "    if pick <= 6 then out[#out + 1] = singles[random(#singles)] .. repeats[random(#repeats)]\n"
    "    elseif pick == 7 then out[#out + 1] = '(' open = open + 1\n"
    "    elseif pick == 8 and open > 0 then out[#out + 1] = ')' open = open - 1\n"
    "    else out[#out + 1] = others[random(#others)] end\n"
    "  end\n"
    "  if random(4) > 1 then out[#out + 1] = (')'):rep(open) end\n"
    "  if random(6) == 1 then out[#out + 1] = '$' end\n"
    "  return table.concat(out)\n"
    "end\n"
    "local function subject()\n"
    "  local out = {}\n"
    "  for i = 1, random(14) - 1 do out[i] = bytes[random(random(2) == 1 and 4 or #bytes)] end\n"
    "  return table.concat(out)\n"
    "end\n"
    "local function show(...)\n"
    "  local all = table.pack(...)\n"
    "  for i = 1, all.n do all[i] = type(all[i]) .. ':' .. tostring(all[i]) end\n"
    "  return table.concat(all, ',')\n"
    "end\n"
    "local replacements = {'<%0>', '%1', '%%x', '%2', 'y', '%', '%y', function(...) return show(...) end, function() "
    "end,\n"
    "  function() return {} end, {a = 'A', b = false, [1] = 'one'}, 7}\n"
    "local functions = {\n"
    "  function(s, p) return show(s:find(p)) end,\n"
    "  function(s, p) return show(s:match(p)) end,\n"
    "  function(s, p) return show(s:find(p, random(20) - 10)) end,\n"
    "  function(s, p) return show(s:match(p, random(20) - 10)) end,\n"
    "  function(s, p) return show(s:find(p, random(20) - 10, true)) end,\n"
    "  function(s, p) return show(s:gsub(p, replacements[random(#replacements)])) end,\n"
    "  function(s, p) return show(s:gsub(p, replacements[random(#replacements)], random(4) - 1)) end,\n"
    "  function(s, p) local out = {} for a, b in s:gmatch(p) do out[#out + 1] = show(a, b) end return "
    "table.concat(out, ';') end,\n"
    "  function(s, p) local out = {} for a, b in s:gmatch(p, random(20) - 10) do out[#out + 1] = show(a, b) end return "
    "table.concat(out, ';') end,\n"
    "}\n"
    "local out = {}\n"
    "for i = 1, count do\n"
    "  local p, s, f = pattern(), subject(), functions[random(#functions)]\n"
    "  local ok, result = pcall(f, s, p)\n"
    "  out[i] = ('%q on %q: %s %s'):format(p, s, ok, (tostring(result):gsub('^[^ ]+:%d+: ', '')))\n"
    "end\n"
    "return table.concat(out, '\\30')";

static void
show_difference(const char *ours, const char *theirs)
{
    int shown = 0;
    while (*ours && *theirs && shown < 5) {
        size_t n = strcspn(ours, "\x1e"), m = strcspn(theirs, "\x1e");
        if (n != m || memcmp(ours, theirs, n) != 0) {
            (void)fprintf(stderr, "ours:   %.*s\nLua's:  %.*s\n", (int)n, ours, (int)m, theirs);
            shown++;
        }
        ours += n + (ours[n] != '\0');
        theirs += m + (theirs[m] != '\0');
    }
}

/* One batch on both sides. */
static void
compare(sy__isolate *iso, lua_State *theirs, int seed)
{
    sy__vbuf args, out;
    sy__value v;
    sy__error err = {0};
    size_t len = 0, want_len = 0;
    sy__vbuf_init(&args, &sy__alloc_default);
    sy__vbuf_init(&out, &sy__alloc_default);
    sy__vbuf_array(&args);
    sy__vbuf_int(&args, seed);
    sy__vbuf_int(&args, BATCH);
    sy__vbuf_end(&args);
    CHECK_INT(sy__vbuf_done(&args, &v), SY_OK);
    CHECK_INT(sy__isolate_eval(iso, script, sizeof script - 1, "x.lua", v, 60000, &out, &err), SY_OK);
    if (err.code) (void)fprintf(stderr, "%s:%d: %s\n", err.file, err.line, err.message);
    CHECK_INT(luaL_loadbufferx(theirs, script, sizeof script - 1, "@x.lua", "t"), LUA_OK);
    lua_pushinteger(theirs, seed);
    lua_pushinteger(theirs, BATCH);
    CHECK_INT(lua_pcall(theirs, 2, 1, 0), LUA_OK);
    const char *want = lua_tolstring(theirs, -1, &want_len);
    CHECK_INT(sy__vbuf_done(&out, &v), SY_OK);
    const char *got = sy__value_str(v, &len);
    bool same = got && len == want_len && memcmp(got, want, len) == 0;
    CHECK(same);
    if (got && !same) show_difference(got, want);
    lua_settop(theirs, 0);
    sy__vbuf_close(&args);
    sy__vbuf_close(&out);
}

static void
matches_as_lua_does(void)
{
    lua_State *theirs = luaL_newstate();
    sy__isolate *iso = NULL;
    sy__isolate_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "patterns"};
    if (!theirs) exit(1);
    CHECK_INT(sy__isolate_new(&iso, &o, NULL), SY_OK);
    luaL_openlibs(theirs);
    int cases = getenv("SYMPHONY_LONG") ? LONG_CASES : CASES;
    for (int i = 0; i < cases / BATCH && test_failures < 10; i++) compare(iso, theirs, i * 7919 + 1);
    lua_close(theirs);
    sy__isolate_free(iso);
}

int
main(void)
{
    stops_when_told();
    reads_no_byte_outside();
    knows_plain_patterns();
    matches_as_lua_does();
    TEST_END();
}
