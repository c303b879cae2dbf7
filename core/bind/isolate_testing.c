/* isolate_testing.c: testing.host, see the header. Functions in C are shown to nobody: their upvalues are ours. */
#include "bind/isolate_testing.h"

#include "bind/support.h"
#include "kit/isolate.h"
#include "kit/luavalue.h"

#include <string.h>

enum { MAX_LEVEL = 1000 };

/* ask(what[, value]) → what the host answers; its failure raises */
static int
t_ask(lua_State *L)
{
    const char *what = luaL_checkstring(L, 1);
    sy__error err = {0};
    sy__value v = sy__value_null();
    lua_settop(L, 2);
    sy__vbuf *b = sy__lib_vbuf(L), *answer = sy__lib_vbuf(L);
    int rc = lua_isnil(L, 2) ? SY_OK : sy__lua_to_value(L, 2, b, &err);
    if (rc == SY_OK && !lua_isnil(L, 2)) rc = sy__vbuf_done(b, &v);
    if (rc == SY_OK) rc = sy__guest_ask(sy__isolate_of(L), what, v, answer, &err);
    if (rc == SY_OK) rc = sy__vbuf_done(answer, &v);
    if (rc) return luaL_error(L, "%s", err.message[0] ? err.message : sy_strerror(rc));
    luaL_checkstack(L, 100, "answer");
    sy__value_to_lua(L, v);
    return 1;
}

static void
set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void
push_info(lua_State *L, const lua_Debug *at)
{
    lua_createtable(L, 0, 9);
    set_text(L, "source", at->source);
    set_text(L, "short_src", at->short_src);
    set_text(L, "what", at->what);
    if (at->name) set_text(L, "name", at->name);
    sy__lib_set_int(L, "currentline", at->currentline);
    sy__lib_set_int(L, "linedefined", at->linedefined);
    sy__lib_set_int(L, "lastlinedefined", at->lastlinedefined);
    sy__lib_set_int(L, "nparams", at->nparams);
    lua_pushboolean(L, at->isvararg);
    lua_setfield(L, -2, "isvararg");
}

/* getinfo(function or level) → table; nil above the last level */
static int
t_getinfo(lua_State *L)
{
    lua_Debug at;
    memset(&at, 0, sizeof at);
    lua_settop(L, 1);
    if (lua_isfunction(L, 1)) {
        (void)lua_getinfo(L, ">Slnu", &at);
        push_info(L, &at);
        return 1;
    }
    lua_Integer level = luaL_checkinteger(L, 1);
    if (level < 0 || level > MAX_LEVEL || !lua_getstack(L, (int)level, &at)) return 0;
    (void)lua_getinfo(L, "Slnuf", &at);
    push_info(L, &at);
    if (lua_iscfunction(L, 2)) return 1;
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "func");
    return 1;
}

/* The number of an upvalue of a Lua function; 0: not one. */
static int
upvalue(lua_State *L, int fn, int n)
{
    luaL_checktype(L, fn, LUA_TFUNCTION);
    lua_Integer i = luaL_checkinteger(L, n);
    return lua_iscfunction(L, fn) || i < 1 || i > 255 ? 0 : (int)i;
}

static int
t_getupvalue(lua_State *L)
{
    int i = upvalue(L, 1, 2);
    const char *name = i ? lua_getupvalue(L, 1, i) : NULL;
    if (!name) return 0;
    lua_pushstring(L, name);
    lua_insert(L, -2);
    return 2;
}

static int
t_setupvalue(lua_State *L)
{
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    int i = upvalue(L, 1, 2);
    const char *name = i ? lua_setupvalue(L, 1, i) : NULL;
    if (!name) return 0;
    lua_pushstring(L, name);
    return 1;
}

static int
t_upvaluejoin(lua_State *L)
{
    int a = upvalue(L, 1, 2), b = upvalue(L, 3, 4);
    luaL_argcheck(L, a && lua_upvalueid(L, 1, a), 2, "no such upvalue");
    luaL_argcheck(L, b && lua_upvalueid(L, 3, b), 4, "no such upvalue");
    lua_upvaluejoin(L, 1, a, 3, b);
    return 0;
}

/* allows("net", host, port), allows("process", program), allows("env", name), allows("editor", what) → whether it was
 * granted */
static int
t_allows(lua_State *L)
{
    static const char *const kinds[] = {"net", "process", "env", "editor", NULL};
    const sy__caps *caps = sy__isolate_caps(sy__isolate_of(L));
    int kind = luaL_checkoption(L, 1, NULL, kinds);
    const char *what = luaL_checkstring(L, 2);
    lua_Integer port = luaL_optinteger(L, 3, 0);
    luaL_argcheck(L, port >= 0 && port < 65536, 3, "a port");
    lua_pushboolean(L, kind == 0   ? sy__caps_net(caps, what, (int)port)
                       : kind == 1 ? sy__caps_process(caps, what)
                       : kind == 2 ? sy__caps_env(caps, what)
                                   : sy__caps_editor(caps, what));
    return 1;
}

static int
t_traceback(lua_State *L)
{
    lua_Integer level = luaL_optinteger(L, 2, 1);
    luaL_argcheck(L, level >= 0 && level <= MAX_LEVEL, 2, "no such level");
    luaL_traceback(L, L, lua_isstring(L, 1) ? lua_tostring(L, 1) : NULL, (int)level);
    return 1;
}

int
sy__open_testing_host(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"allows", t_allows},           {"ask", t_ask},
        {"getinfo", t_getinfo},         {"getupvalue", t_getupvalue},
        {"setupvalue", t_setupvalue},   {"traceback", t_traceback},
        {"upvaluejoin", t_upvaluejoin}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
