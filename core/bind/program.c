/* program.c: one protected call around the Lua program; an error that escapes it becomes text here. */
#include "bind/program.h"

#include "bind/api.h"
#include "bind/stdlib.h"
#include "kit/cell.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char signals_key[] = "sy.signals";

const char *
sy__program_lua(void)
{
    return LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE;
}

bool
sy__program_is_cell(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], SY__CELL_MODE) == 0;
}

int
sy__program_cell(void)
{
    return sy__cell_main(sy__stdlib_modules);
}

const char *
sy__program_helper(void)
{
    const char *named = getenv("SYMPHONY_BIN");
    if (named && *named) return named;
    return access(SYMPHONY_INSTALLED, X_OK) == 0 ? SYMPHONY_INSTALLED : NULL;
}

sy__signals *
sy__program_signals(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, signals_key);
    sy__signals *signals = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return signals;
}

/* The message handler: the error as text, with the traceback when debugging (the upvalue). */
static int
explain(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    if (lua_toboolean(L, lua_upvalueindex(1))) luaL_traceback(L, L, message, 1);
    return 1;
}

/* main(program, argc, argv): everything that may raise. */
static int
run(lua_State *L)
{
    const sy__program *p = lua_touserdata(L, 1);
    int argc = (int)lua_tointeger(L, 2);
    char **argv = lua_touserdata(L, 3);
    lua_pushlightuserdata(L, p->signals);
    lua_setfield(L, LUA_REGISTRYINDEX, signals_key);
    lua_getglobal(L, "require");
    lua_pushstring(L, p->module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, argc, 0);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_seti(L, -2, i);
    }
    lua_call(L, 1, 1);
    return 1;
}

int
sy__program_run(const sy__program *p, int argc, char **argv, sy__error *err)
{
    sy_host *host;
    const sy_options options = {
        .size = sizeof options, .open_later = 1, .helper_path = "/proc/self/exe", .watchdog_signal = -1};
    if (sy__host_open(&host, &options, p->root, err) != SY_OK) {
        sy_close(host);
        return 1;
    }
    lua_State *L = sy__host_lua(host);
    lua_pushboolean(L, p->debug);
    lua_pushcclosure(L, explain, 1);
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, (void *)(uintptr_t)p);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = lua_pcall(L, 3, 1, 1), exit_code = 1;
    if (status != LUA_OK) {
        sy__error_set(err, SY_EINTERNAL, "%s", lua_tostring(L, -1));
    } else if (lua_isinteger(L, -1)) {
        exit_code = (int)(lua_tointeger(L, -1) & 0xff);
    } else {
        sy__error_set(err, SY_EINTERNAL, "%s.main returned no exit code", p->module);
    }
    sy_close(host);
    return exit_code;
}
