/*
 * text.c: the module `text`: UTF-8, and columns on a terminal.
 *
 *     text.valid(s) → boolean                       text.clean(s) → s with U+FFFD for what is not UTF-8
 *     text.width(s) → columns                       text.truncate(s, columns[, mark = "…"]) → s
 *     text.pad(s, columns[, "left"|"right"|"center"]) → s      where the text lies; default left
 *
 * Widths are those of a table (text_width.h), not of the C locale. Control characters count as nothing.
 */
#include "base/text.h"

#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"
#include "bind/text_width.h"

#include <string.h>

enum { MAX_COLUMNS = 1 << 20 };

/* The code point of a well-formed sequence of n bytes. */
static uint32_t
decode(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (n == 1) return p[0];
    uint32_t c = p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3Fu);
    return c;
}

static bool
in_ranges(const sy__range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].first;
}

static size_t
columns_of(uint32_t c)
{
    if (c < 0x20 || c == 0x7F) return 0;
    if (c < 0x80) return 1;
    if (in_ranges(sy__no_columns, sizeof sy__no_columns / sizeof *sy__no_columns, c)) return 0;
    return in_ranges(sy__two_columns, sizeof sy__two_columns / sizeof *sy__two_columns, c) ? 2 : 1;
}

/* Bytes of the next character and its columns; a malformed byte counts as U+FFFD. */
static size_t
next(const char *s, size_t len, size_t *columns)
{
    size_t n = sy__utf8_next(s, len);
    *columns = n ? columns_of(decode(s, n)) : 1;
    return n ? n : 1;
}

static size_t
width(const char *s, size_t len)
{
    size_t all = 0, columns;
    for (size_t i = 0; i < len; all += columns) i += next(s + i, len - i, &columns);
    return all;
}

/* The bytes of the longest prefix of at most `room` columns, with the marks that join its last character. */
static size_t
prefix(const char *s, size_t len, size_t room)
{
    size_t at = 0, columns;
    while (at < len) {
        size_t n = next(s + at, len - at, &columns);
        if (columns > room) break;
        room -= columns;
        at += n;
    }
    return at;
}

static int
l_valid(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    sy__lib_charge(L, len);
    lua_pushboolean(L, sy__utf8_valid(s, len));
    return 1;
}

static int
l_clean(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    sy__lib_charge(L, len);
    lua_settop(L, 1);
    if (sy__utf8_valid(s, len)) return 1;
    sy__out out;
    sy__out_init(&out, L, len + 64);
    for (size_t i = 0; i < len;) {
        size_t n = sy__utf8_next(s + i, len - i);
        if (n)
            sy__out_add(&out, s + i, n);
        else
            sy__out_add(&out, "\xEF\xBF\xBD", 3);
        i += n ? n : 1;
    }
    sy__out_push(&out);
    return 1;
}

static int
l_width(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    sy__lib_charge(L, len * 4);
    lua_pushinteger(L, (lua_Integer)width(s, len));
    return 1;
}

static size_t
check_columns(lua_State *L, int arg)
{
    lua_Integer n = luaL_checkinteger(L, arg);
    luaL_argcheck(L, n >= 0 && n <= MAX_COLUMNS, arg, "a number of columns is expected");
    return (size_t)n;
}

static int
l_truncate(lua_State *L)
{
    size_t len, mark_len, room = check_columns(L, 2);
    const char *s = luaL_checklstring(L, 1, &len), *mark = luaL_optlstring(L, 3, "…", &mark_len);
    sy__lib_charge(L, len * 4);
    if (width(s, len) <= room) {
        lua_settop(L, 1);
        return 1;
    }
    size_t mark_columns = width(mark, mark_len);
    if (mark_columns > room) {
        mark_len = prefix(mark, mark_len, room);
        mark_columns = width(mark, mark_len);
    }
    lua_pushlstring(L, s, prefix(s, len, room - mark_columns));
    lua_pushlstring(L, mark, mark_len);
    lua_concat(L, 2);
    return 1;
}

static void
add_spaces(luaL_Buffer *b, size_t n)
{
    memset(luaL_prepbuffsize(b, n), ' ', n);
    luaL_addsize(b, n);
}

static int
l_pad(lua_State *L)
{
    static const char *const places[] = {"left", "right", "center", NULL};
    size_t len, room = check_columns(L, 2);
    const char *s = luaL_checklstring(L, 1, &len);
    int place = luaL_checkoption(L, 3, "left", places);
    sy__lib_charge(L, len * 4);
    size_t taken = width(s, len), gap = taken < room ? room - taken : 0;
    size_t before = place == 0 ? 0 : place == 1 ? gap : gap / 2;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    add_spaces(&b, before);
    luaL_addlstring(&b, s, len);
    add_spaces(&b, gap - before);
    luaL_pushresult(&b);
    return 1;
}

static int
open_text(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {{"clean", l_clean}, {"pad", l_pad},     {"truncate", l_truncate},
                                         {"valid", l_valid}, {"width", l_width}, {NULL, NULL}};
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_text(lua_State *L)
{
    return open_text(L, true);
}

int
luaopen_sy_text(lua_State *L)
{
    return open_text(L, false);
}
