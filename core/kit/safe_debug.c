/*
 * safe_debug.c: the part of `debug` that a melody's own vocabulary needs to store functions as source: where a
 * function or a caller stands, and what a Lua function has captured. It reads; nothing is changed.
 */
#include "kit/isolate_impl.h"

#include <lauxlib.h>
#include <string.h>

static void
set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void
set_int(lua_State *L, const char *key, int n)
{
    lua_pushinteger(L, n);
    lua_setfield(L, -2, key);
}

static void
push_info(lua_State *L, const lua_Debug *at)
{
    lua_createtable(L, 0, 10);
    set_text(L, "source", at->source);
    set_text(L, "short_src", at->short_src);
    set_text(L, "what", at->what);
    set_int(L, "linedefined", at->linedefined);
    set_int(L, "lastlinedefined", at->lastlinedefined);
    set_int(L, "currentline", at->currentline);
    set_int(L, "nups", at->nups);
    set_int(L, "nparams", at->nparams);
    if (at->name) set_text(L, "name", at->name);
    lua_pushboolean(L, at->isvararg);
    lua_setfield(L, -2, "isvararg");
}

static int
d_getinfo(lua_State *L)
{
    lua_Debug at;
    memset(&at, 0, sizeof at);
    if (lua_isfunction(L, 1)) {
        lua_pushvalue(L, 1);
        (void)lua_getinfo(L, ">Slnu", &at);
    } else {
        lua_Integer level = luaL_checkinteger(L, 1);
        if (level < 0 || level > 1000 || !lua_getstack(L, (int)level, &at)) return 0;
        (void)lua_getinfo(L, "Slnu", &at);
    }
    push_info(L, &at);
    return 1;
}

static int
d_getupvalue(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (lua_iscfunction(L, 1) || i < 1 || i > 255) return 0;
    const char *name = lua_getupvalue(L, 1, (int)i);
    if (!name) return 0;
    lua_pushstring(L, name);
    lua_insert(L, -2);
    return 2;
}

void
sy__safe_open_debug(lua_State *L)
{
    static const luaL_Reg ours[] = {{"getinfo", d_getinfo}, {"getupvalue", d_getupvalue}, {NULL, NULL}};
    luaL_newlib(L, ours);
}
