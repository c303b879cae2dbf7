/*
 * host.c: symphony-spec, the built host that runs the busted specs.
 *
 *     SYMPHONY_ROOT=tree symphony-spec [busted options] spec/area/name_spec.lua ...
 *
 * A trusted state as the program opens it, to which it adds what only specs have: Debian's Lua packages
 * (busted), the folder spec/support/ and the module `support.child` (child.c). Then spec/support/main.lua.
 */
#include "bind/trusted.h"
#include "host/embed.h"
#include "support/child.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* package.path and cpath: what trusted states deliberately do not have. */
static void
add_paths(lua_State *L, const char *root)
{
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/spec/support/?.lua;%s", root, LUA_PATH_DEFAULT);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, LUA_CPATH_DEFAULT);
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
    luaL_requiref(L, "support.child", luaopen_support_child, 0);
    luaL_requiref(L, "support.echo", luaopen_support_echo, 0);
    lua_pop(L, 2);
}

static void
set_arguments(lua_State *L, int argc, char **argv)
{
    lua_createtable(L, argc, 0);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_seti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

static int
traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int
main(int argc, char **argv)
{
    const char *root = getenv("SYMPHONY_ROOT");
    sy__trusted_options options = {
        .alloc = &sy__alloc_default, .root = root ? root : ".", .source = sy__embedded_source};
    sy__error err;
    lua_State *L;
    (void)signal(SIGPIPE, SIG_IGN);
    if (sy__trusted_new(&L, &options, &err) != SY_OK) {
        (void)fprintf(stderr, "symphony-spec: %s\n", err.message);
        return 1;
    }
    add_paths(L, options.root);
    set_arguments(L, argc, argv);
    lua_pushcfunction(L, traceback);
    lua_pushfstring(L, "%s/spec/support/main.lua", options.root);
    int status = luaL_loadfile(L, lua_tostring(L, -1));
    if (status == LUA_OK) status = lua_pcall(L, 0, 1, 1);
    if (status != LUA_OK) (void)fprintf(stderr, "symphony-spec: %s\n", lua_tostring(L, -1));
    int exit_code = status == LUA_OK ? (int)lua_tointeger(L, -1) : 1;
    lua_close(L);
    return exit_code;
}
