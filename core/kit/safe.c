/*
 * safe.c: the globals of an isolate, by allow-list and profile. Every table is the state's own.
 *
 * Lua's own functions stay where they are quick and honest. Those that could run long inside C are behind a
 * function of ours that charges the work first; those with unbounded algorithms (patterns, sort, rep) and those
 * that could catch a poison (pcall, coroutines) are replaced.
 */
#include "kit/isolate_impl.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

enum { MAX_DATE_FORMAT = 1000 };

/* strftime takes its time for each item of the format. Upvalue 1: Lua's own. */
static int
o_date(lua_State *L)
{
    size_t len = 0;
    (void)luaL_optlstring(L, 1, "", &len);
    luaL_argcheck(L, len <= MAX_DATE_FORMAT, 1, "format too long");
    sy__isolate_charge(L, len * 256);
    int given = lua_isnoneornil(L, 2) ? !lua_isnoneornil(L, 1) : 2;
    lua_settop(L, given);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, given, 1);
    return 1;
}

/* `os` without anything that touches the process. */
static void
open_os(lua_State *L)
{
    static const char *const kept[] = {"clock", "time", "difftime"};
    lua_pushcfunction(L, luaopen_os);
    lua_call(L, 0, 1);
    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        (void)lua_getfield(L, -2, kept[i]);
        lua_setfield(L, -2, kept[i]);
    }
    (void)lua_getfield(L, -2, "date");
    lua_pushcclosure(L, o_date, 1);
    lua_setfield(L, -2, "date");
    lua_remove(L, -2);
}

/* math.randomseed tells the state's address; ours takes a seed and tells nothing. */
static int
m_randomseed(lua_State *L)
{
    lua_Integer seed = lua_isnoneornil(L, 1) ? 0 : (lua_Integer)luaL_checknumber(L, 1);
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    if (seed) {
        lua_pushinteger(L, seed);
        lua_call(L, 1, 0);
    } else {
        lua_call(L, 0, 0);
    }
    return 0;
}

static void
open_math(lua_State *L)
{
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    (void)lua_getfield(L, -1, "randomseed");
    lua_pushcclosure(L, m_randomseed, 1);
    lua_setfield(L, -2, "randomseed");
}

/* A name that melodies do not have: says so, with the line that used it. Upvalue 1: what comes before it. */
static int
absent_in_melodies(lua_State *L)
{
    static const char *const names[] = {"io",        "package",   "dofile",    "loadfile",   "os.execute",   "os.exit",
                                        "os.remove", "os.rename", "os.getenv", "os.tmpname", "os.setlocale", NULL};
    const char *prefix = lua_tostring(L, lua_upvalueindex(1));
    if (lua_type(L, 2) != LUA_TSTRING) return 0;
    const char *name = lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, 2));
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return sy__isolate_fail(L, SY_EMELODY,
                                    "'%s' is not available in a melody: a melody only describes, "
                                    "operations do the work",
                                    name);
    return 0;
}

static void
forbid_in_melodies(lua_State *L, const char *prefix)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, prefix);
    lua_pushcclosure(L, absent_in_melodies, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* Expressions give the same answer each time, and reach nothing that outlives them. */
static void
remove_fields(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

/* Values that the state shares are closed to the extension's getmetatable. */
static void
close_shared_metatables(lua_State *L)
{
    lua_pushliteral(L, "");
    (void)lua_getmetatable(L, -1); /* it has the arithmetic of strings as well */
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    sy__lua_push_array_mt(L);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 3);
}

void
sy__safe_open(lua_State *L, sy__isolate *iso)
{
    bool melody = iso->options.profile == SY__PROFILE_MELODY;
    bool expression = iso->options.profile == SY__PROFILE_EXPR;
    sy__safe_open_base(L, iso);
    lua_pushglobaltable(L);
    int globals = lua_gettop(L);
    sy__safe_open_string(L, iso);
    close_shared_metatables(L);
    lua_setfield(L, globals, "string");
    sy__safe_open_table(L, iso);
    lua_setfield(L, globals, "table");
    sy__safe_open_coroutine(L, iso);
    lua_setfield(L, globals, "coroutine");
    sy__safe_open_utf8(L, iso);
    lua_setfield(L, globals, "utf8");
    open_math(L);
    if (expression) remove_fields(L, (const char *const[]){"random", "randomseed", NULL});
    lua_setfield(L, globals, "math");
    if (!expression) {
        open_os(L);
        if (melody) forbid_in_melodies(L, "os.");
        lua_setfield(L, globals, "os");
    }
    sy__safe_open_require(L, iso);
    if (expression) remove_fields(L, (const char *const[]){"load", "collectgarbage", "_G", NULL});
    if (melody) {
        sy__safe_open_debug(L);
        lua_setfield(L, globals, "debug");
        forbid_in_melodies(L, "");
    }
    lua_settop(L, 0);
}
