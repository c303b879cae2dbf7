/*
 * flow_run.c: `run` of a melody in code style.
 *
 *   run:call(operation, input, options) → output       run:sleep(seconds or "7d")
 *   run:map(operation, list, fn, options) → outputs    run:now() → seconds since 1970
 *   run:ask(question, schema, options) → answer        run:random([low, high])
 *
 * Each makes a request of the engine, which answers at once from the journal or parks the function until it can. A call
 * that fails raises, so that what is not expected ends the flow; pcall catches it. Thread of the isolate.
 */
#include "bind/flow_run.h"

#include "bind/support.h"
#include "kit/isolate.h"
#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>

enum { SELF = 1 };

/* ---- options ---- */

/* Digits with at most one point; the C locale has no part in it. */
static double
leading_number(const char **at)
{
    double n = 0, scale = 0;
    for (; (**at >= '0' && **at <= '9') || (**at == '.' && scale == 0); ++*at) {
        if (**at == '.') {
            scale = 1;
        } else {
            n = n * 10 + (**at - '0');
            scale *= 10;
        }
    }
    return scale > 1 ? n / scale : n;
}

/* [a-z_][a-z0-9_]* */
static bool
is_key(const char *s)
{
    if (!s || !*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || *s == '_' || (*s >= '0' && *s <= '9'))) return false;
    return true;
}

/* "1.5s", "10ms", "2m", "1h", "7d", or a number of seconds → milliseconds. Raises. */
static lua_Integer
duration_ms(lua_State *L, int index, const char *what)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"w", 6.048e8}};
    double ms = -1;
    if (lua_type(L, index) == LUA_TNUMBER) {
        ms = lua_tonumber(L, index) * 1e3;
    } else if (lua_type(L, index) == LUA_TSTRING) {
        const char *text = lua_tostring(L, index), *end = text;
        double number = leading_number(&end);
        for (size_t i = 0; end > text && i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0) ms = number * units[i].ms;
    }
    if (!(ms >= 0 && ms <= 3.2e11)) return luaL_error(L, "%s is a duration such as \"10s\", \"2h\", \"7d\"", what);
    return (lua_Integer)(ms + 0.5);
}

/* Sets request.key and request.options from the table at `index`: what a melody's options are, for one call. */
static void
read_options(lua_State *L, int index, int request)
{
    static const char *const copied[] = {"retry", "max_parallel", "priority", "cache", "isolation", NULL};
    static const char *const durations[] = {"timeout", "attempt_timeout", "idle_timeout", NULL};
    static const char *const stored[] = {"timeout_ms", "attempt_timeout_ms", "idle_timeout_ms"};
    lua_newtable(L);
    if (!lua_isnoneornil(L, index)) {
        luaL_checktype(L, index, LUA_TTABLE);
        lua_getfield(L, index, "key");
        if (!lua_isnil(L, -1)) luaL_argcheck(L, is_key(lua_tostring(L, -1)), index, "key matches [a-z_][a-z0-9_]*");
        lua_setfield(L, request, "key");
        lua_getfield(L, index, "default");
        lua_setfield(L, -2, "default");
        for (int i = 0; copied[i]; i++) {
            lua_getfield(L, index, copied[i]);
            lua_setfield(L, -2, copied[i]);
        }
        for (int i = 0; durations[i]; i++) {
            lua_getfield(L, index, durations[i]);
            if (!lua_isnil(L, -1)) {
                lua_pushinteger(L, duration_ms(L, lua_gettop(L), durations[i]));
                lua_setfield(L, -3, stored[i]);
            }
            lua_pop(L, 1);
        }
    }
    lua_setfield(L, request, "options");
}

/* ---- requests ---- */

static const sy__call_services *
services_of(lua_State *L)
{
    const sy__call *call = sy__isolate_call_now(sy__isolate_of(L));
    if (!call || !call->services || !call->services->request) {
        (void)luaL_error(L, "this works only while a flow runs");
        return NULL;
    }
    return call->services;
}

static int
push_answer(lua_State *L, int status, lua_KContext ctx)
{
    sy__value v;
    const sy__error *failure;
    const sy__call *call = sy__isolate_call_now(sy__isolate_of(L));
    (void)status, (void)ctx;
    if (!call->services->answer(call->ud, &v, &failure)) return luaL_error(L, "%s", failure->message);
    sy__value_to_lua(L, v);
    return 1;
}

/* Makes the request at the top of the stack. */
static int
request(lua_State *L)
{
    sy__error err = {0};
    sy__value v;
    const sy__call_services *s = services_of(L);
    if (!sy__isolate_can_wait(L))
        return luaL_error(L, "a flow cannot ask for anything here: inside sort, gsub, an iterator or a metamethod");
    int at = lua_gettop(L);
    sy__vbuf *b = sy__lib_vbuf(L);
    int status = sy__lua_to_value(L, at, b, &err);
    if (!status) status = sy__vbuf_done(b, &v);
    if (!status) status = s->request(sy__isolate_call_now(sy__isolate_of(L))->ud, v, &err);
    if (status && status != SY_EAGAIN) return luaL_error(L, "%s", err.message);
    return sy__isolate_settle(L, status, push_answer, 0);
}

/* A new request at the top: {verb=, name=}. */
static int
new_request(lua_State *L, const char *verb, const char *name)
{
    luaL_checktype(L, SELF, LUA_TTABLE);
    lua_newtable(L);
    lua_pushstring(L, verb);
    lua_setfield(L, -2, "verb");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    return lua_gettop(L);
}

static void
set(lua_State *L, int at, const char *field, int from)
{
    if (lua_isnoneornil(L, from)) return;
    lua_pushvalue(L, from);
    lua_setfield(L, at, field);
}

/* "git.diff" → "diff", as a key: other signs become `_`. */
static const char *
short_name(lua_State *L, const char *operation)
{
    luaL_Buffer b;
    const char *dot = strrchr(operation, '.');
    luaL_buffinit(L, &b);
    for (const char *p = dot ? dot + 1 : operation; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || *p == '_' || (*p >= '0' && *p <= '9' && luaL_bufflen(&b) > 0);
        luaL_addchar(&b, (char)(plain ? *p : *p >= 'A' && *p <= 'Z' ? *p + 32 : '_'));
    }
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

/* ---- methods ---- */

/* run:call(operation, input, options) */
static int
l_call(lua_State *L)
{
    lua_settop(L, 4);
    const char *operation = luaL_checkstring(L, 2);
    int at = new_request(L, "task", short_name(L, operation));
    set(L, at, "operation", 2);
    set(L, at, "input", 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_setfield(L, at, "input");
    }
    read_options(L, 4, at);
    lua_settop(L, at);
    return request(L);
}

/* The inputs of a map: the items, or what fn(item, index) makes of them. */
static void
push_inputs(lua_State *L)
{
    lua_Integer n = luaL_len(L, 3);
    luaL_argcheck(L, n >= 0 && n <= 1000000, 3, "at most 1,000,000 items");
    lua_createtable(L, (int)n, 0);
    sy__lua_push_array_mt(L);
    lua_setmetatable(L, -2);
    for (lua_Integer i = 1; i <= n; i++) {
        if (!lua_isnil(L, 4)) lua_pushvalue(L, 4);
        lua_rawgeti(L, 3, i);
        if (!lua_isnil(L, 4)) {
            lua_pushinteger(L, i);
            lua_call(L, 2, 1);
        }
        lua_rawseti(L, -2, i);
    }
}

/* run:map(operation, list, fn, options) */
static int
l_map(lua_State *L)
{
    lua_settop(L, 5);
    const char *operation = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    if (lua_istable(L, 4) && lua_isnil(L, 5)) { /* without a function */
        lua_insert(L, 4);
        lua_settop(L, 5);
    }
    if (!lua_isnil(L, 4)) luaL_checktype(L, 4, LUA_TFUNCTION);
    int at = new_request(L, "each", short_name(L, operation));
    if (!lua_istable(L, at)) return luaL_error(L, "no memory");
    set(L, at, "operation", 2);
    push_inputs(L);
    lua_setfield(L, at, "input");
    read_options(L, 5, at);
    lua_settop(L, at);
    return request(L);
}

/* run:ask(question, schema, options) */
static int
l_ask(lua_State *L)
{
    lua_settop(L, 4);
    luaL_argcheck(L, !lua_isnil(L, 2), 2, "a question");
    int at = new_request(L, "ask", "ask");
    set(L, at, "input", 2);
    set(L, at, "schema", 3);
    read_options(L, 4, at);
    lua_settop(L, at);
    return request(L);
}

/* run:sleep(seconds or "7d") */
static int
l_sleep(lua_State *L)
{
    lua_settop(L, 2);
    lua_Integer ms = duration_ms(L, 2, "what a flow sleeps");
    int at = new_request(L, "sleep", "sleep");
    lua_pushinteger(L, ms);
    lua_setfield(L, at, "ms");
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, ms);
    lua_setfield(L, -2, "ms");
    lua_setfield(L, at, "input");
    return request(L);
}

/* run:now() */
static int
l_now(lua_State *L)
{
    (void)new_request(L, "now", "now");
    return request(L);
}

/* run:random(), run:random(high), run:random(low, high), as math.random */
static int
l_random(lua_State *L)
{
    lua_settop(L, 3);
    int at = new_request(L, "random", "random");
    if (!lua_isnil(L, 2)) {
        lua_Integer low = lua_isnil(L, 3) ? 1 : luaL_checkinteger(L, 2);
        lua_Integer high = luaL_checkinteger(L, lua_isnil(L, 3) ? 2 : 3);
        luaL_argcheck(L, low <= high, 2, "the interval is empty");
        lua_pushinteger(L, low);
        lua_setfield(L, at, "low");
        lua_pushinteger(L, high);
        lua_setfield(L, at, "high");
    }
    return request(L);
}

int
sy__open_flow_run(lua_State *L)
{
    static const luaL_Reg functions[] = {{"call", l_call}, {"map", l_map},       {"ask", l_ask}, {"sleep", l_sleep},
                                         {"now", l_now},   {"random", l_random}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
