/*
 * safe_base.c: the basic functions. pcall and xpcall let no poison be caught; setmetatable takes no __gc; load takes
 * text only; tostring tells no address; print and warn go to the log.
 */
#include "kit/isolate_impl.h"

#include "base/bounds.h"

#include <lauxlib.h>
#include <lualib.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { LOG_BURST = 200, LOG_PER_SECOND = 100 };

/* ---- errors ---- */

/* After a protected call failed: goes on failing when that was a limit. */
static void
rethrow_poison(lua_State *L, int status)
{
    sy__isolate *iso = sy__isolate_of(L);
    if (status == LUA_ERRMEM) sy__limits_poison(&iso->limits, SY_EMEMORY);
    if (iso->limits.why) (void)sy__limits_raise(&iso->limits, L);
    iso->fail_code = 0;
}

/* `skip` values lie below the results: the function's own. */
static int
finish_pcall(lua_State *L, int status, lua_KContext skip)
{
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)skip;
    rethrow_poison(L, status);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int
b_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/* The message handler of xpcall; upvalue: the extension's. Once poisoned it is not asked. */
static int
on_message(lua_State *L)
{
    if (sy__isolate_of(L)->limits.why) return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int
b_xpcall(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, on_message, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

/* ---- metatables ---- */

static int
b_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "a metatable with __gc is refused: use __close");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* ---- text of values ---- */

static uint64_t
hidden_address(sy__isolate *iso, const void *address)
{
    uint64_t hash;
    if (!iso->address_key_made) randombytes_buf(iso->address_key, sizeof iso->address_key);
    iso->address_key_made = true;
    (void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)&address, sizeof address, iso->address_key);
    return hash;
}

static void
push_hidden(lua_State *L, int index, const char *kind)
{
    char text[128];
    uint64_t id = hidden_address(sy__isolate_of(L), lua_topointer(L, index));
    (void)snprintf(text, sizeof text, "%.80s: %012llx", kind, (unsigned long long)(id & 0xFFFFFFFFFFFF));
    lua_pushstring(L, text);
}

const char *
sy__safe_tostring(lua_State *L, int index, size_t *len)
{
    index = lua_absindex(L, index);
    int type = lua_type(L, index);
    if (luaL_callmeta(L, index, "__tostring")) {
        if (!lua_isstring(L, -1)) (void)luaL_error(L, "'__tostring' must return a string");
    } else if (type == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index)) {
        lua_pushliteral(L, "null");
    } else if (type <= LUA_TSTRING && type != LUA_TLIGHTUSERDATA) {
        (void)luaL_tolstring(L, index, NULL);
    } else {
        int named = luaL_getmetafield(L, index, "__name");
        push_hidden(L, index, named == LUA_TSTRING ? lua_tostring(L, -1) : lua_typename(L, type));
        if (named != LUA_TNIL) lua_remove(L, -2);
    }
    return lua_tolstring(L, -1, len);
}

static int
b_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    (void)sy__safe_tostring(L, 1, NULL);
    return 1;
}

static int
b_tonumber(lua_State *L)
{
    size_t len = 0;
    if (lua_type(L, 1) == LUA_TSTRING) (void)lua_tolstring(L, 1, &len);
    sy__isolate_charge(L, len * 8);
    return sy__isolate_of(L)->lua.tonumber(L);
}

/* ---- print and warn ---- */

static bool
log_allowed(sy__isolate *iso)
{
    int64_t now = sy__mono_ms(iso->limits.clock), gain = (now - iso->log_ms) * LOG_PER_SECOND / 1000;
    if (iso->log_ms < 0 || gain > LOG_BURST) gain = LOG_BURST;
    if (gain > 0) {
        iso->log_tokens = iso->log_tokens + gain > LOG_BURST ? LOG_BURST : iso->log_tokens + (int)gain;
        iso->log_ms = now;
    }
    if (iso->log_tokens > 0) {
        iso->log_tokens--;
        return true;
    }
    iso->log_dropped++;
    return false;
}

void
sy__safe_log(sy__isolate *iso, sy__log_level level, const char *text)
{
    if (!log_allowed(iso)) return;
    const char *name = iso->options.name;
    if (iso->log_dropped) sy__logf(iso->options.log, SY__LOG_WARN, name, "%d lines were dropped", iso->log_dropped);
    iso->log_dropped = 0;
    if (iso->call && iso->call->services && iso->call->services->log)
        iso->call->services->log(iso->call->ud, level, text);
    else
        sy__logf(iso->options.log, level, name, "%s", text);
}

/* Joins the arguments and hands them to the log. */
static int
say(lua_State *L, sy__log_level level, const char *between)
{
    int n = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= n; i++) {
        if (i > 1) luaL_addstring(&line, between);
        size_t len;
        (void)sy__safe_tostring(L, i, &len);
        sy__isolate_charge(L, len + 64);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    sy__safe_log(sy__isolate_of(L), level, lua_tostring(L, -1));
    return 0;
}

static int
b_print(lua_State *L)
{
    return say(L, SY__LOG_INFO, "\t");
}

static int
b_warn(lua_State *L)
{
    luaL_checkstring(L, 1);
    for (int i = 2; i <= lua_gettop(L); i++) luaL_checkstring(L, i);
    if (lua_gettop(L) == 1 && *lua_tostring(L, 1) == '@') return 0; /* control messages have no effect */
    return say(L, SY__LOG_WARN, "");
}

/* ---- load ---- */

/* Puts the pieces that the function at 1 returns into one string on top. */
static void
gather_source(lua_State *L)
{
    luaL_Buffer source;
    size_t total = 0, len;
    lua_settop(L, 4);
    luaL_buffinit(L, &source);
    for (;;) {
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1)) break;
        if (lua_type(L, -1) != LUA_TSTRING) (void)luaL_error(L, "reader function must return a string");
        (void)lua_tolstring(L, -1, &len);
        if (len == 0) break;
        total += len;
        if (total > SY_MAX_SOURCE_BYTES) (void)luaL_error(L, "source is larger than %d KiB", SY_MAX_SOURCE_BYTES >> 10);
        sy__isolate_charge(L, len + 256);
        luaL_addvalue(&source);
    }
    lua_pop(L, 1);
    luaL_pushresult(&source);
    lua_replace(L, 1);
}

static int
load_failed(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int
b_load(lua_State *L)
{
    bool has_env = !lua_isnone(L, 4);
    const char *mode = luaL_optstring(L, 3, "t");
    if (!strchr(mode, 't')) return luaL_error(L, "only text can be loaded");
    if (lua_type(L, 1) != LUA_TSTRING) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        gather_source(L);
    }
    size_t len;
    const char *source = lua_tolstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, "=(load)");
    if (sy__safe_load(L, source, len, name) != LUA_OK) return load_failed(L);
    if (!has_env) return 1;
    lua_pushvalue(L, 4);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    return 1;
}

/* ---- collectgarbage ---- */

static int
b_collectgarbage(lua_State *L)
{
    static const char *const options[] = {"collect", "count", "step", "isrunning", NULL};
    sy__isolate *iso = sy__isolate_of(L);
    switch (luaL_checkoption(L, 1, "collect", options)) {
    case 1: lua_pushnumber(L, (lua_Number)iso->limits.used_bytes / 1024.0); return 1;
    case 3: lua_pushboolean(L, 1); return 1;
    case 2: lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 64)); break;
    default:
        while (!lua_gc(L, LUA_GCSTEP, 1024))
            if (sy__limits_look(&iso->limits)) return sy__limits_raise(&iso->limits, L);
        lua_pushinteger(L, 0);
    }
    if (sy__limits_look(&iso->limits)) return sy__limits_raise(&iso->limits, L);
    return 1;
}

void
sy__safe_open_base(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg ours[] = {
        {"pcall", b_pcall},
        {"xpcall", b_xpcall},
        {"setmetatable", b_setmetatable},
        {"tostring", b_tostring},
        {"tonumber", b_tonumber},
        {"print", b_print},
        {"warn", b_warn},
        {"load", b_load},
        {"collectgarbage", b_collectgarbage},
        {NULL, NULL},
    };
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    (void)lua_getfield(L, -1, "tonumber");
    iso->lua.tonumber = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    luaL_setfuncs(L, ours, 0);
    static const char *const gone[] = {"dofile", "loadfile"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, gone[i]);
    }
    lua_pop(L, 1);
}
