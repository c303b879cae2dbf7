/*
 * watch.c: `sy.watch`: which files below a folder change.
 *
 *     watch.open(dir) → object | nil, message, code
 *     object:wait(timeout_ms) → {path, …}, one maybe more than once; "": more than could be told;  object:close()
 */
#include "io/watch.h"

#include "bind/modules.h"
#include "bind/support.h"

#include <string.h>

static const char watch_name[] = "symphony.watch";

static sy__file_watch **
check(lua_State *L)
{
    sy__file_watch **w = luaL_checkudata(L, 1, watch_name);
    luaL_argcheck(L, *w != NULL, 1, "the watch is closed");
    return w;
}

static int
watch_open(lua_State *L)
{
    const char *dir = luaL_checkstring(L, 1);
    sy__error err = {0};
    sy__file_watch **w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = NULL;
    luaL_setmetatable(L, watch_name);
    if (sy__file_watch_new(w, &sy__alloc_default, dir, &err)) return sy__lib_error(L, &err);
    return 1;
}

static int
watch_wait(lua_State *L)
{
    sy__file_watch **w = check(L);
    lua_Integer timeout_ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, timeout_ms >= 0 && timeout_ms <= 3600000, 2, "milliseconds, at most an hour");
    sy__error err = {0};
    sy__buf *paths = sy__lib_buf(L);
    if (sy__file_watch_wait(*w, (int)timeout_ms, paths, &err)) return sy__lib_error(L, &err);
    lua_newtable(L);
    for (size_t i = 0; i < paths->len; i += strlen(paths->data + i) + 1) {
        lua_pushstring(L, paths->data + i);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    return 1;
}

static int
watch_close(lua_State *L)
{
    sy__file_watch **w = luaL_checkudata(L, 1, watch_name);
    sy__file_watch_free(*w);
    *w = NULL;
    return 0;
}

int
luaopen_sy_watch(lua_State *L)
{
    static const luaL_Reg methods[] = {{"close", watch_close}, {"wait", watch_wait}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", watch_close}, {"__close", watch_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", watch_open}, {NULL, NULL}};
    luaL_newmetatable(L, watch_name);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
