/*
 * safe_table.c: the table library with raw access only, so no __len or __index can lie to a loop in C, and with
 * every element charged. sort merges: n log n comparisons whatever the comparator says, and stable.
 */
#include "kit/isolate_impl.h"

#include <lauxlib.h>

enum {
    MAX_MOVED = 1 << 24,
    ELEMENT_CHARGE = 32, /* bytes of work for touching one element */
    COMPARE_CHARGE = 128,
    RUN_LENGTH = 8, /* sorted by insertion before merging */
};

static lua_Integer
length_of(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    return (lua_Integer)lua_rawlen(L, arg);
}

static void
charge_elements(lua_State *L, lua_Integer n)
{
    sy__isolate_charge(L, (size_t)n * ELEMENT_CHARGE);
}

static int
t_insert(lua_State *L)
{
    lua_Integer end = length_of(L, 1) + 1, at = end;
    if (lua_gettop(L) == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
    } else if (lua_gettop(L) != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    charge_elements(L, end - at + 1);
    for (lua_Integer i = end; i > at; i--) {
        (void)lua_rawgeti(L, 1, i - 1);
        lua_rawseti(L, 1, i);
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int
t_remove(lua_State *L)
{
    lua_Integer size = length_of(L, 1), at = luaL_optinteger(L, 2, size);
    if (at != size) luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
    charge_elements(L, size > at ? size - at : 1);
    (void)lua_rawgeti(L, 1, at);
    for (; at < size; at++) {
        (void)lua_rawgeti(L, 1, at + 1);
        lua_rawseti(L, 1, at);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, at);
    return 1;
}

/* Moves in pieces, so that the clock is looked at on the way. */
static void
move_one(lua_State *L, lua_Integer from, int to_table, lua_Integer to, lua_Integer i)
{
    if (i % 1024 == 0) charge_elements(L, 1024);
    (void)lua_rawgeti(L, 1, from + i);
    lua_rawseti(L, to_table, to + i);
}

static int
t_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    int to_table = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, to_table, LUA_TTABLE);
    if (last >= from) {
        luaL_argcheck(L, from > 0 || last < LUA_MAXINTEGER + from, 3, "too many elements to move");
        lua_Integer n = last - from + 1;
        luaL_argcheck(L, n <= MAX_MOVED, 3, "too many elements to move");
        luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        bool upwards = to > last || to <= from || (to_table != 1 && !lua_rawequal(L, 1, to_table));
        if (upwards)
            for (lua_Integer i = 0; i < n; i++) move_one(L, from, to_table, to, i);
        else
            for (lua_Integer i = n - 1; i >= 0; i--) move_one(L, from, to_table, to, i);
    }
    lua_pushvalue(L, to_table);
    return 1;
}

static void
add_element(lua_State *L, luaL_Buffer *out, lua_Integer i)
{
    size_t len = 0;
    (void)lua_rawgeti(L, 1, i);
    if (!lua_isstring(L, -1)) (void)luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    (void)lua_tolstring(L, -1, &len);
    sy__isolate_charge(L, len + ELEMENT_CHARGE);
    luaL_addvalue(out);
}

static int
t_concat(lua_State *L)
{
    lua_Integer last = length_of(L, 1);
    size_t between_len;
    const char *between = luaL_optlstring(L, 2, "", &between_len);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    last = luaL_optinteger(L, 4, last);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (; i < last; i++) {
        add_element(L, &out, i);
        luaL_addlstring(&out, between, between_len);
    }
    if (i == last) add_element(L, &out, i);
    luaL_pushresult(&out);
    return 1;
}

static int
t_pack(lua_State *L)
{
    int n = lua_gettop(L);
    charge_elements(L, n);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    for (int i = n; i >= 1; i--) lua_rawseti(L, 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, 1, "n");
    return 1;
}

static int
t_unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer last = lua_isnoneornil(L, 3) ? length_of(L, 1) : luaL_checkinteger(L, 3);
    if (first > last) return 0;
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
    if (n >= (lua_Unsigned)LUAI_MAXSTACK || !lua_checkstack(L, (int)(n + 1)))
        return luaL_error(L, "too many results to unpack");
    charge_elements(L, (lua_Integer)n + 1);
    for (lua_Integer i = first; i < last; i++) (void)lua_rawgeti(L, 1, i);
    (void)lua_rawgeti(L, 1, last);
    return (int)n + 1;
}

/* ---- sort: the table is at 1, the comparator or nil at 2, the merge's other table at 3 ---- */

/* Whether the value at a comes before the one at b; both are stack indexes from the top. */
static bool
comes_before(lua_State *L, int a, int b)
{
    sy__isolate_charge(L, COMPARE_CHARGE);
    if (lua_isnil(L, 2)) {
        if (lua_type(L, a) == LUA_TSTRING) sy__isolate_charge(L, lua_rawlen(L, a));
        return lua_compare(L, a, b, LUA_OPLT) != 0;
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a - 1);
    lua_pushvalue(L, b - 2);
    lua_call(L, 2, 1);
    bool before = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return before;
}

static void
insertion_sort(lua_State *L, lua_Integer low, lua_Integer high)
{
    for (lua_Integer i = low + 1; i <= high; i++) {
        lua_Integer to = i;
        (void)lua_rawgeti(L, 1, i);
        for (; to > low; to--) {
            (void)lua_rawgeti(L, 1, to - 1);
            if (!comes_before(L, -2, -1)) {
                lua_pop(L, 1);
                break;
            }
            lua_rawseti(L, 1, to);
        }
        lua_rawseti(L, 1, to);
    }
}

/* Merges [low, mid) and [mid, high) of table `from` into table `to`. */
static void
merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer mid, lua_Integer high)
{
    lua_Integer left = low, right = mid;
    for (lua_Integer at = low; at < high; at++) {
        bool take_right = left >= mid;
        if (left < mid && right < high) {
            (void)lua_rawgeti(L, from, left);
            (void)lua_rawgeti(L, from, right);
            take_right = comes_before(L, -1, -2);
            lua_pop(L, 2);
        }
        (void)lua_rawgeti(L, from, take_right ? right++ : left++);
        lua_rawseti(L, to, at);
    }
    charge_elements(L, high - low);
}

static lua_Integer
smaller(lua_Integer a, lua_Integer b)
{
    return a < b ? a : b;
}

static int
t_sort(lua_State *L)
{
    lua_Integer n = length_of(L, 1);
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, n <= MAX_MOVED, 1, "array too big");
    lua_settop(L, 2);
    lua_createtable(L, n > RUN_LENGTH ? (int)n : 0, 0);
    for (lua_Integer low = 1; low <= n; low += RUN_LENGTH) insertion_sort(L, low, smaller(low + RUN_LENGTH - 1, n));
    int from = 1, to = 3;
    for (lua_Integer width = RUN_LENGTH; width < n; width *= 2) {
        for (lua_Integer low = 1; low <= n; low += 2 * width)
            merge(L, from, to, low, smaller(low + width, n + 1), smaller(low + 2 * width, n + 1));
        from = 4 - from;
        to = 4 - to;
    }
    for (lua_Integer i = 1; from == 3 && i <= n; i++) {
        (void)lua_rawgeti(L, 3, i);
        lua_rawseti(L, 1, i);
    }
    return 0;
}

void
sy__safe_open_table(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg ours[] = {
        {"insert", t_insert}, {"remove", t_remove}, {"move", t_move}, {"concat", t_concat},
        {"pack", t_pack},     {"unpack", t_unpack}, {"sort", t_sort}, {NULL, NULL},
    };
    (void)iso;
    luaL_newlib(L, ours);
}
