/*
 * json.c: the module `json`: Lua values as JSON text and back.
 *
 *     json.encode(value[, {pretty = true, lossy = true}]) → text
 *     json.decode(text) → value | nil, message, code
 *     json.null, json.array(table), json.is_array(value)
 *
 * Tables are taken as luavalue.h says. Keys come out sorted, so equal values give equal text. A string that
 * is not UTF-8 becomes {"$bytes":"base64"} as everywhere in the engine, or, when `lossy`, text with U+FFFD.
 */
#include "bind/json.h"

#include "base/text.h"
#include "bind/modules.h"
#include "kit/luavalue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_KEYS = 32 };

typedef struct frame {
    const struct frame *up;
    const char *key; /* NULL: `index` counts */
    lua_Integer index;
} frame;

typedef struct writer {
    lua_State *L;
    sy__out *out;
    bool pretty, lossy;
    int depth;
} writer;

typedef struct key {
    const char *s;
    size_t len;
} key;

static void write_value(writer *w, int index, const frame *f);

/* ---- writing ---- */

/* Raises: "json: `files[2].path` is a function". */
static int
refuse(writer *w, const frame *f, const char *what)
{
    const frame *way[SY__JSON_DEPTH + 1];
    int n = 0;
    luaL_Buffer b;
    for (; f && n <= SY__JSON_DEPTH; f = f->up) way[n++] = f;
    luaL_buffinit(w->L, &b);
    luaL_addstring(&b, n ? "`" : "the value");
    for (int i = n - 1; i >= 0; i--) {
        char text[80];
        if (way[i]->key)
            (void)snprintf(text, sizeof text, "%s%.64s", i < n - 1 ? "." : "", way[i]->key);
        else
            (void)snprintf(text, sizeof text, "[%lld]", (long long)way[i]->index);
        luaL_addstring(&b, text);
    }
    luaL_addstring(&b, n ? "` " : " ");
    luaL_addstring(&b, what);
    luaL_pushresult(&b);
    return luaL_error(w->L, "json: %s", lua_tostring(w->L, -1));
}

static void
write_escaped(sy__out *out, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    sy__out_addc(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        sy__out_add(out, s + from, i - from);
        from = i + 1;
        char text[6] = {'\\', (char)c, '0', '0', hex[c >> 4], hex[c & 15]};
        const char *known = c == '\n' ? "n" : c == '\t' ? "t" : c == '\r' ? "r" : NULL;
        if (known) text[1] = *known;
        bool shorter = known || c >= 0x20;
        if (!shorter) text[1] = 'u';
        sy__out_add(out, text, shorter ? 2 : 6);
    }
    sy__out_add(out, s + from, len - from);
    sy__out_addc(out, '"');
}

static void
write_lossy(sy__out *out, const char *s, size_t len)
{
    sy__out clean;
    sy__out_init(&clean, out->L, len + 16);
    while (len > 0) {
        size_t n = sy__utf8_next(s, len);
        if (n)
            sy__out_add(&clean, s, n);
        else
            sy__out_add(&clean, "\xEF\xBF\xBD", 3);
        s += n ? n : 1;
        len -= n ? n : 1;
    }
    write_escaped(out, clean.data, clean.len);
    lua_pop(out->L, 1);
}

static void
write_bytes(sy__out *out, const char *s, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s;
    sy__out_add(out, "{\"$bytes\":\"", 11);
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned n = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[n >> 18], digits[n >> 12 & 63], left > 1 ? digits[n >> 6 & 63] : '=',
                        left > 2 ? digits[n & 63] : '='};
        sy__out_add(out, four, 4);
    }
    sy__out_add(out, "\"}", 2);
}

static void
write_string(writer *w, int index)
{
    size_t len;
    const char *s = lua_tolstring(w->L, index, &len);
    if (sy__utf8_valid(s, len))
        write_escaped(w->out, s, len);
    else if (w->lossy)
        write_lossy(w->out, s, len);
    else
        write_bytes(w->out, s, len);
}

static void
write_key(writer *w, const char *s, size_t len)
{
    if (sy__utf8_valid(s, len))
        write_escaped(w->out, s, len);
    else
        write_lossy(w->out, s, len);
    sy__out_add(w->out, ": ", w->pretty ? 2 : 1);
}

/* The shortest text that reads back the same; independent of the C locale. */
static void
write_double(writer *w, double d)
{
    char text[40];
    if (!isfinite(d)) {
        sy__out_add(w->out, "null", 4);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        if (digits == 17 || strtod(text, NULL) == d) break;
    }
    char *comma = strchr(text, ',');
    if (comma) *comma = '.';
    sy__out_add(w->out, text, strlen(text));
    if (!strpbrk(text, ".e")) sy__out_add(w->out, ".0", 2);
}

static void
write_integer(writer *w, lua_Integer n)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (n < 0) *--p = '-';
    sy__out_add(w->out, p, (size_t)(text + sizeof text - p));
}

static void
new_line(writer *w)
{
    if (!w->pretty) return;
    sy__out_addc(w->out, '\n');
    for (int i = 0; i < w->depth; i++) sy__out_add(w->out, "  ", 2);
}

/* Whether the keys are exactly 1..n and n > 0, or the table is a marked array; false: a map. Raises for a mixture. */
static bool
is_array(writer *w, int table, const frame *f)
{
    lua_State *L = w->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, table), numbers = 0;
    bool strings = false, odd = false, marked = sy__lua_is_array_marked(L, table);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            strings = true;
            if (!marked && numbers == 0 && n == 0) {
                lua_pop(L, 1);
                return false; /* write_map looks at the others */
            }
        } else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= n) {
            numbers++;
        } else {
            odd = true;
        }
    }
    if (odd || numbers != n || (strings && (numbers || marked)))
        return refuse(w, f, "has keys that are neither all strings nor 1, 2, 3, … without holes");
    return numbers > 0 || marked;
}

static void
write_array(writer *w, int table, const frame *up)
{
    frame f = {.up = up};
    lua_Integer n = (lua_Integer)lua_rawlen(w->L, table);
    sy__out_addc(w->out, '[');
    w->depth++;
    for (f.index = 1; f.index <= n; f.index++) {
        if (f.index > 1) sy__out_addc(w->out, ',');
        new_line(w);
        lua_rawgeti(w->L, table, f.index);
        write_value(w, lua_gettop(w->L), &f);
        lua_pop(w->L, 1);
    }
    w->depth--;
    if (n) new_line(w);
    sy__out_addc(w->out, ']');
}

static int
by_bytes(const void *a, const void *b)
{
    const key *x = a, *y = b;
    return sy__text_order(x->s, x->len, y->s, y->len);
}

/* Few keys are the rule: no call through a pointer. */
static void
sort_keys(key *keys, size_t n)
{
    if (n > FEW_KEYS) {
        qsort(keys, n, sizeof *keys, by_bytes);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        key one = keys[i];
        size_t k = i;
        for (; k > 0 && by_bytes(&keys[k - 1], &one) > 0; k--) keys[k] = keys[k - 1];
        keys[k] = one;
    }
}

static size_t
count_keys(writer *w, int table, const frame *f)
{
    size_t n = 0;
    lua_pushnil(w->L);
    while (lua_next(w->L, table)) {
        lua_pop(w->L, 1);
        if (lua_type(w->L, -1) != LUA_TSTRING)
            (void)refuse(w, f, "has keys that are neither all strings nor 1, 2, 3, … without holes");
        n++;
    }
    return n;
}

/* The strings stay alive as keys of the table. */
static void
collect_keys(writer *w, int table, key *keys)
{
    lua_pushnil(w->L);
    while (lua_next(w->L, table)) {
        lua_pop(w->L, 1);
        keys->s = lua_tolstring(w->L, -1, &keys->len);
        keys++;
    }
}

static void
write_map(writer *w, int table, const frame *up)
{
    lua_State *L = w->L;
    key few[FEW_KEYS] = {{0}}, *keys = few;
    frame f = {.up = up};
    size_t n = count_keys(w, table, up);
    if (n > FEW_KEYS)
        keys = lua_newuserdatauv(L, n * sizeof *keys, 0);
    else
        lua_pushnil(L);
    collect_keys(w, table, keys);
    sort_keys(keys, n);
    sy__out_addc(w->out, '{');
    w->depth++;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) sy__out_addc(w->out, ',');
        new_line(w);
        write_key(w, keys[i].s, keys[i].len);
        f.key = keys[i].s;
        lua_pushlstring(L, keys[i].s, keys[i].len);
        lua_rawget(L, table);
        write_value(w, lua_gettop(L), &f);
        lua_pop(L, 1);
    }
    w->depth--;
    if (n) new_line(w);
    sy__out_addc(w->out, '}');
    lua_pop(L, 1);
}

static void
write_table(writer *w, int index, const frame *f)
{
    if (w->depth >= SY__JSON_DEPTH) (void)refuse(w, f, "is nested too deeply, or contains itself");
    luaL_checkstack(w->L, 8, "json");
    if (is_array(w, index, f))
        write_array(w, index, f);
    else
        write_map(w, index, f);
}

static void
write_value(writer *w, int index, const frame *f)
{
    lua_State *L = w->L;
    switch (lua_type(L, index)) {
    case LUA_TNIL: sy__out_add(w->out, "null", 4); break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, index))
            sy__out_add(w->out, "true", 4);
        else
            sy__out_add(w->out, "false", 5);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            write_integer(w, lua_tointeger(L, index));
        else
            write_double(w, lua_tonumber(L, index));
        break;
    case LUA_TSTRING: write_string(w, index); break;
    case LUA_TTABLE: write_table(w, index, f); break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index)) (void)refuse(w, f, "is a pointer");
        sy__out_add(w->out, "null", 4);
        break;
    case LUA_TFUNCTION: (void)refuse(w, f, "is a function"); break;
    default: (void)refuse(w, f, "is a userdata or a coroutine");
    }
}

/* Appends the JSON of the value at `index`; raises, naming the path, for what JSON cannot say. */
static void
json_write(sy__out *out, int index, bool pretty, bool lossy)
{
    writer w = {.L = out->L, .out = out, .pretty = pretty, .lossy = lossy};
    write_value(&w, lua_absindex(out->L, index), NULL);
}

/* ---- the module ---- */

static bool
option(lua_State *L, const char *name)
{
    if (!lua_istable(L, 2)) return false;
    lua_pushstring(L, name);
    lua_rawget(L, 2);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* json.encode(value[, options]) → text */
static int
l_encode(lua_State *L)
{
    sy__out out;
    luaL_checkany(L, 1);
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    bool pretty = option(L, "pretty"), lossy = option(L, "lossy");
    sy__out_init(&out, L, 256);
    json_write(&out, 1, pretty, lossy);
    sy__lib_charge(L, out.len);
    sy__out_push(&out);
    return 1;
}

/* json.decode(text) → value | nil, message, code */
static int
l_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_settop(L, 1);
    sy__lib_charge(L, len);
    if (sy__json_read(L, text, len)) return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushstring(L, sy_errname(SY_EINVAL));
    return 3;
}

/* json.array(table) → table, which is an array from now on, also when it is empty */
static int
l_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (sy__lua_is_array_marked(L, 1)) return 1;
    if (lua_getmetatable(L, 1)) return luaL_argerror(L, 1, "a table without a metatable is expected");
    sy__lua_push_array_mt(L);
    lua_setmetatable(L, 1);
    return 1;
}

/* json.is_array(value) → boolean: a marked table, or a table with an item at 1 */
static int
l_is_array(lua_State *L)
{
    luaL_checkany(L, 1);
    bool yes = sy__lua_is_array_marked(L, 1);
    if (!yes && lua_istable(L, 1)) yes = lua_rawgeti(L, 1, 1) != LUA_TNIL;
    lua_pushboolean(L, yes);
    return 1;
}

static int
open_json(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {
        {"array", l_array}, {"decode", l_decode}, {"encode", l_encode}, {"is_array", l_is_array}, {NULL, NULL}};
    sy__lib(L, functions, isolated);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}

int
sy__open_json(lua_State *L)
{
    return open_json(L, true);
}

int
luaopen_sy_json(lua_State *L)
{
    return open_json(L, false);
}
