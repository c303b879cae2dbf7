/* safe_string.c: the string and utf8 libraries: Lua's own, with their work charged beforehand. */
#include "kit/isolate_impl.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

enum {
    MAX_STRING_BYTES = 1 << 30,
    MAX_FORMAT_ITEMS = 10000, /* a number with 99 digits takes microseconds */
};

static size_t
length_at(lua_State *L, int arg)
{
    size_t len = 0;
    if (lua_type(L, arg) == LUA_TSTRING) (void)lua_tolstring(L, arg, &len);
    return len;
}

/* Charges the first string argument and continues in Lua's function. */
#define CHARGED(name, field)                        \
    static int name(lua_State *L)                   \
    {                                               \
        sy__isolate_charge(L, length_at(L, 1) + 1); \
        return sy__isolate_of(L)->lua.field(L);     \
    }

CHARGED(s_byte, byte)
CHARGED(s_lower, lower)
CHARGED(s_upper, upper)
CHARGED(s_reverse, reverse)
CHARGED(s_sub, sub)
CHARGED(s_packsize, packsize)
CHARGED(s_unpack, unpack)
CHARGED(u_len, u_len)
CHARGED(u_codepoint, u_codepoint)
CHARGED(u_offset, u_offset)
#undef CHARGED

static int
s_rep(lua_State *L)
{
    size_t len, between;
    (void)luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &between);
    if (n <= 0 || len + between == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((lua_Unsigned)n > MAX_STRING_BYTES / (len + between)) return luaL_error(L, "resulting string too large");
    sy__isolate_charge(L, (len + between) * (size_t)n);
    return sy__isolate_of(L)->lua.rep(L);
}

/* Alignment and c-options are written byte by byte: bounded before Lua does it. */
static int
s_pack(lua_State *L)
{
    size_t len, total = 0;
    const char *format = luaL_checklstring(L, 1, &len);
    for (const char *c = strchr(format, 'c'); c; c = strchr(c + 1, 'c')) {
        size_t n = 0;
        for (const char *d = c + 1; *d >= '0' && *d <= '9' && n < MAX_STRING_BYTES; d++)
            n = n * 10 + (size_t)(*d - '0');
        total += n;
        if (total >= MAX_STRING_BYTES) return luaL_argerror(L, 1, "result too long");
    }
    sy__isolate_charge(L, len + total * 4);
    return sy__isolate_of(L)->lua.pack(L);
}

/* ---- format: %s goes through our tostring, %p is refused, then Lua's ---- */

/* The conversion letter of the item behind a '%'; `end` when there is none. */
static const char *
conversion_of(const char *p, const char *end)
{
    while (p < end && ((*p && strchr("-+ #.", *p)) || (*p >= '0' && *p <= '9'))) p++;
    return p;
}

static void
prepare_argument(lua_State *L, char conversion, int arg)
{
    if (conversion == 'p') (void)luaL_error(L, "'%%p' is not available");
    if (conversion != 's' || arg > lua_gettop(L) || lua_type(L, arg) == LUA_TSTRING) return;
    (void)sy__safe_tostring(L, arg, NULL);
    lua_replace(L, arg);
}

static int
s_format(lua_State *L)
{
    size_t len;
    const char *p = luaL_checklstring(L, 1, &len), *end = p + len;
    int arg = 1;
    size_t work = len;
    while (p < end && (p = memchr(p, '%', (size_t)(end - p)))) {
        p = conversion_of(p + 1, end);
        if (p == end) break;
        if (*p++ == '%') continue;
        if (arg > MAX_FORMAT_ITEMS) return luaL_error(L, "more than %d items in a format", MAX_FORMAT_ITEMS);
        prepare_argument(L, p[-1], ++arg);
        work += length_at(L, arg) + 64;
    }
    sy__isolate_charge(L, work);
    return sy__isolate_of(L)->lua.format(L);
}

/* ---- utf8.codes: its iterator charged as well ---- */

static int
iterate(lua_State *L, int which)
{
    sy__isolate_charge(L, length_at(L, 1));
    return sy__isolate_of(L)->lua.u_iter[which](L);
}

static int
iterate_strict(lua_State *L)
{
    return iterate(L, 0);
}

static int
iterate_lax(lua_State *L)
{
    return iterate(L, 1);
}

static int
u_codes(lua_State *L)
{
    int lax = lua_toboolean(L, 2);
    sy__isolate *iso = sy__isolate_of(L);
    int results = iso->lua.u_codes(L);
    iso->lua.u_iter[lax] = lua_tocfunction(L, -results);
    lua_pushcfunction(L, lax ? iterate_lax : iterate_strict);
    lua_replace(L, -results - 1);
    return results;
}

/* ---- opening ---- */

static lua_CFunction
original(lua_State *L, const char *name)
{
    (void)lua_getfield(L, -1, name);
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return f;
}

void
sy__safe_open_string(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg ours[] = {
        {"byte", s_byte},         {"lower", s_lower},   {"upper", s_upper}, {"reverse", s_reverse},
        {"sub", s_sub},           {"rep", s_rep},       {"pack", s_pack},   {"unpack", s_unpack},
        {"packsize", s_packsize}, {"format", s_format}, {NULL, NULL},
    };
    sy__originals *o = &iso->lua;
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    o->byte = original(L, "byte"), o->lower = original(L, "lower"), o->upper = original(L, "upper");
    o->reverse = original(L, "reverse"), o->sub = original(L, "sub"), o->rep = original(L, "rep");
    o->pack = original(L, "pack"), o->unpack = original(L, "unpack"), o->packsize = original(L, "packsize");
    o->format = original(L, "format");
    luaL_setfuncs(L, ours, 0);
    sy__safe_open_patterns(L);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
}

void
sy__safe_open_utf8(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg ours[] = {
        {"len", u_len}, {"codepoint", u_codepoint}, {"offset", u_offset}, {"codes", u_codes}, {NULL, NULL},
    };
    sy__originals *o = &iso->lua;
    lua_pushcfunction(L, luaopen_utf8);
    lua_call(L, 0, 1);
    o->u_len = original(L, "len"), o->u_codepoint = original(L, "codepoint");
    o->u_offset = original(L, "offset"), o->u_codes = original(L, "codes");
    luaL_setfuncs(L, ours, 0);
}
