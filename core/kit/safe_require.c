/*
 * safe_require.c: require. A name is Lua's own table, a C module of the host for this profile, or a source that
 * the host's callback gives (the extension's folder, stdlib). Names are words joined by dots: never a path.
 *
 * For expressions every call has modules of its own: sources are run again, C modules are copied.
 */
#include "kit/cell_impl.h"
#include "kit/isolate_impl.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

enum { MAX_NAME_BYTES = 128 };

bool
sy__safe_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > MAX_NAME_BYTES || name[0] == '.' || name[len - 1] == '.' || strstr(name, "..")) return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.", *c)) return false;
    return true;
}

static const sy__isolate_module *
find_c_module(const sy__isolate *iso, const char *name)
{
    const sy__isolate_module *m = iso->options.modules;
    for (; m && m->name; m++)
        if (strcmp(m->name, name) == 0 && (m->profiles & 1u << iso->options.profile)) return m;
    return NULL;
}

static bool
find_source(const sy__isolate *iso, const char *name, const char **source, size_t *len, const char **chunk)
{
    return iso->options.module && iso->options.module(iso->options.module_ud, name, source, len, chunk);
}

bool
sy__safe_has_module(sy__isolate *iso, const char *name)
{
    const char *source, *chunk;
    size_t len;
    if (!sy__safe_name(name)) return false;
    return find_c_module(iso, name) || find_source(iso, name, &source, &len, &chunk);
}

static bool
push_own_library(lua_State *L, const char *name)
{
    static const char *const names[] = {"string", "table", "math", "utf8", "coroutine", "os", "debug", NULL};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) != 0) continue;
        lua_pushglobaltable(L);
        lua_pushstring(L, name);
        bool there = lua_rawget(L, -2) == LUA_TTABLE;
        lua_remove(L, -2);
        if (!there) lua_pop(L, 1);
        return there;
    }
    return false;
}

/* Replaces the table on top by a copy of its first level. */
static void
copy_top(lua_State *L)
{
    if (!lua_istable(L, -1)) return;
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

static void
push_compiled(lua_State *L, const char *source, size_t len, const char *chunk)
{
    (void)lua_pushfstring(L, "@%s", chunk);
    if (sy__safe_load(L, source, len, lua_tostring(L, -1)) != LUA_OK) (void)lua_error(L);
    lua_remove(L, -2);
}

static void
run_source(lua_State *L, const char *name, int env)
{
    if (env) {
        lua_pushvalue(L, env);
        if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    }
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    if (!lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
}

static void
not_found(lua_State *L, const sy__isolate *iso, const char *name)
{
    const char *why = iso->options.profile == SY__PROFILE_EXTENSION
                          ? "it is neither in the extension's folder nor in its library"
                          : "a melody reaches `melody`, the pure library and files under melodies/ only";
    luaL_where(L, 1);
    (void)lua_pushfstring(L, "module '%s' is not available: %s", name, why);
    lua_concat(L, 2);
    (void)lua_error(L);
}

/* Pushes what the module is, as its first require makes it. */
static void
open_module(lua_State *L, sy__isolate *iso, const char *name, int loaded, int env)
{
    const char *source, *chunk;
    size_t len;
    const sy__isolate_module *c = find_c_module(iso, name);
    if (c) {
        lua_pushcfunction(L, c->open);
        lua_call(L, 0, 1);
        if ((c->profiles & SY__HOSTED) && iso->options.cell) sy__cell_stand_in(L, name);
        if (env) copy_top(L);
    } else if (find_source(iso, name, &source, &len, &chunk)) {
        push_compiled(L, source, len, chunk);
        lua_pushboolean(L, 0); /* being loaded; after a failure it stays so */
        lua_setfield(L, loaded, name);
        run_source(L, name, env);
    } else {
        not_found(L, iso, name);
    }
}

void
sy__safe_require(lua_State *L, sy__isolate *iso, const char *name, int loaded, int env)
{
    luaL_checkstack(L, 8, "require");
    lua_pushstring(L, name);
    int type = lua_rawget(L, loaded);
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
        (void)luaL_error(L, "module '%s' requires itself, or failed before", name);
    } else if (type == LUA_TNIL) {
        lua_pop(L, 1);
        if (!env && push_own_library(L, name)) return;
        open_module(L, iso, name, loaded, env);
        lua_pushvalue(L, -1);
        lua_setfield(L, loaded, name);
    }
}

static int
b_require(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    const char *name = luaL_checkstring(L, 1);
    if (strlen(name) != lua_rawlen(L, 1) || !sy__safe_name(name))
        return luaL_error(L, "'%s' is no module name: words joined by dots, never a path", name);
    lua_settop(L, 1);
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->options.module);
    bool own_globals = lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->run_ud) == LUA_TTABLE; /* expressions */
    sy__safe_require(L, iso, name, 2, own_globals ? 3 : 0);
    return 1;
}

void
sy__safe_open_require(lua_State *L, sy__isolate *iso)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->options.module);
    lua_pushcfunction(L, b_require);
    lua_setglobal(L, "require");
}
