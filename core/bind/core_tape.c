/*
 * core_tape.c: outputs played instead of calls, for trusted Lua. Methods of the host of core.c.
 *
 *     host:tape{entries=[…], strict=, record=} → true       host:tape(nil) takes it off; the entries: pit/tape.h
 *     host:recorded() → [entry…]                            what was called since
 *     host:advance(ms) → true                               of a host opened with `skips`: its clock jumps ahead
 */
#include "bind/core.h"
#include "kit/luavalue.h"
#include "pit/task/tape.h"

int
sy__core_tape(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__tape_options o = {.clock = h->skips ? &h->skip : NULL};
    bool off = lua_isnoneornil(L, 2);
    int status = SY_OK;
    if (!off) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_getfield(L, 2, "strict");
        o.strict = lua_toboolean(L, -1);
        lua_getfield(L, 2, "record");
        o.record = lua_toboolean(L, -1);
        lua_getfield(L, 2, "entries");
        sy__vbuf *b = sy__lib_vbuf(L);
        if (!lua_isnil(L, -2)) status = sy__lua_to_value(L, lua_gettop(L) - 1, b, &err);
        if (!status && !lua_isnil(L, -2)) status = sy__vbuf_done(b, &o.entries);
    }
    if (!status) status = sy__tape_set(sy__project_engine(h->project), off ? NULL : &o, &err);
    if (status) return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

int
sy__core_recorded(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__value v;
    sy__vbuf *b = sy__lib_vbuf(L);
    sy__tape_recorded(sy__project_engine(h->project), b);
    int status = sy__vbuf_done(b, &v);
    if (status) return sy__lib_fail(L, status, "what was recorded is larger than a value may be");
    sy__value_to_lua(L, v);
    return 1;
}

int
sy__core_advance(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, h->skips, 1, "the host was not opened with a clock that skips");
    luaL_argcheck(L, ms >= 0 && ms <= INT64_C(366) * 86400000, 2, "from 0 to 366 days");
    sy__skip_clock_advance(&h->skip, ms * 1000000);
    lua_pushboolean(L, 1);
    return 1;
}
