/* core_limits.c: the limits a host is opened with: {tasks, age_ms, named = {{name, parallel, rate = {count, per_ms,
 * burst}}…}, players = {calls, window_ms, min_calls, rest_ms, rest_max_ms, trials}}. */
#include "bind/core.h"

#include <string.h>

static void
read_named(lua_State *L, int index, sy__named_limit *out)
{
    size_t len;
    lua_getfield(L, index, "name");
    const char *name = luaL_checklstring(L, -1, &len);
    luaL_argcheck(L, len < sizeof out->name, 1, "the name of a limit is too long");
    memcpy(out->name, name, len + 1);
    lua_pop(L, 1);
    out->parallel = sy__lib_int_field(L, index, "parallel");
    lua_getfield(L, index, "rate");
    if (lua_istable(L, -1)) {
        int rate = lua_gettop(L);
        out->count = sy__lib_int_field(L, rate, "count");
        out->per_ms = sy__lib_int_field(L, rate, "per_ms");
        out->burst = sy__lib_int_field(L, rate, "burst");
        luaL_argcheck(L, out->count > 0 && out->per_ms > 0, 1, "a rate is {count, per_ms}, from 1");
    }
    lua_pop(L, 1);
}

static void
read_players(lua_State *L, int index, sy__player_rules *out)
{
    lua_getfield(L, index, "players");
    if (lua_istable(L, -1)) {
        int rules = lua_gettop(L);
        out->calls = sy__lib_int_field(L, rules, "calls");
        out->window_ms = sy__lib_int_field(L, rules, "window_ms");
        out->min_calls = sy__lib_int_field(L, rules, "min_calls");
        out->rest_ms = sy__lib_int_field(L, rules, "rest_ms");
        out->rest_max_ms = sy__lib_int_field(L, rules, "rest_max_ms");
        out->trials = sy__lib_int_field(L, rules, "trials");
    }
    lua_pop(L, 1);
}

void
sy__core_limits(lua_State *L, int index, sy__limits *out)
{
    *out = (sy__limits){0};
    if (!lua_istable(L, index)) return;
    out->tasks = sy__lib_int_field(L, index, "tasks");
    out->age_ms = sy__lib_int_field(L, index, "age_ms");
    read_players(L, index, &out->players);
    lua_getfield(L, index, "named");
    if (!lua_istable(L, -1)) return;
    int list = lua_gettop(L);
    size_t count = (size_t)lua_rawlen(L, list);
    sy__named_limit *named = lua_newuserdatauv(L, (count + 1) * sizeof *named, 0);
    memset(named, 0, (count + 1) * sizeof *named);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        read_named(L, lua_gettop(L), &named[i]);
        lua_pop(L, 1);
    }
    out->named = named;
    out->named_count = count;
}
