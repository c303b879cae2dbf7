/*
 * safe_require.c: require. A name is Lua's own table, a C module of the host for this profile, or a source that
 * the host's callback gives (the extension's folder, stdlib). Names are words joined by dots, behind
 * "publisher/package" where a package is meant that the extension depends on: never a path.
 *
 * Code of a package sees its own modules: its chunks are named "@@publisher/package/…", the first Lua function that
 * called require says where it belongs, and its requires go to the callback as "publisher/package:NAME". A file of a
 * package is one module, whoever requires it.
 *
 * For expressions every call has modules of its own: sources are run again, C modules are copied.
 */
#include "kit/cell_impl.h"
#include "kit/isolate_impl.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAME_BYTES = 128, FULL_NAME_BYTES = 2 * MAX_NAME_BYTES + 2, MAX_LEVELS = 64 };

bool
sy__safe_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > MAX_NAME_BYTES || name[0] == '.' || name[len - 1] == '.' || strstr(name, "..")) return false;
    const char *slash = strchr(name, '/');
    if (slash && (slash == name || !isalnum((unsigned char)slash[1]) || strcspn(name, ".") < (size_t)(slash - name)))
        return false;
    for (const char *c = name; *c; c++)
        if (c != slash && !isalnum((unsigned char)*c) && !strchr("_-.", *c)) return false;
    return true;
}

bool
sy__safe_full_name(const char *name)
{
    char package[MAX_NAME_BYTES];
    const char *colon = strchr(name, ':');
    if (!colon) return sy__safe_name(name);
    size_t len = (size_t)(colon - name);
    if (len >= sizeof package) return false;
    memcpy(package, name, len);
    package[len] = '\0';
    return strchr(package, '/') && sy__safe_name(package) && sy__safe_name(colon + 1);
}

/* What require was called with, behind the package that asks. */
static const char *
plain(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon ? colon + 1 : name;
}

static const sy__isolate_module *
find_c_module(const sy__isolate *iso, const char *name)
{
    const sy__isolate_module *m = iso->options.modules;
    for (; m && m->name; m++)
        if (strcmp(m->name, plain(name)) == 0 && (m->profiles & 1u << iso->options.profile)) return m;
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
        if (strcmp(names[i], plain(name)) != 0) continue;
        lua_pushglobaltable(L);
        lua_pushstring(L, names[i]);
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
not_found(lua_State *L, const sy__isolate *iso, const char *full)
{
    const char *name = plain(full);
    const char *why = iso->options.profile != SY__PROFILE_EXTENSION
                          ? "a melody reaches `melody`, the pure library and files under melodies/ only"
                      : strchr(name, '/') ? "[dependencies] does not name this package, or it has no such module"
                                          : "it is neither in the extension's folder nor in its library";
    luaL_where(L, 1);
    (void)lua_pushfstring(L, "module '%s' is not available: %s", name, why);
    lua_concat(L, 2);
    (void)lua_error(L);
}

/* A file of a package is kept by its own name, for it may be required by several. */
static void
open_of_package(lua_State *L, const char *source, size_t len, const char *chunk, int loaded)
{
    lua_pushstring(L, chunk);
    int type = lua_rawget(L, loaded);
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))
        (void)luaL_error(L, "module '%s' requires itself, or failed before", chunk + 1);
    if (type != LUA_TNIL) return;
    lua_pop(L, 1);
    push_compiled(L, source, len, chunk);
    lua_pushboolean(L, 0);
    lua_setfield(L, loaded, chunk);
    run_source(L, chunk + 1, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, loaded, chunk);
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
        if ((c->profiles & SY__HOSTED) && iso->options.cell) sy__cell_stand_in(L, c->name);
        if (env) copy_top(L);
    } else if (find_source(iso, name, &source, &len, &chunk)) {
        if (*chunk == '@') return open_of_package(L, source, len, chunk, loaded);
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

/* The package that the code belongs to which called require: "acme/textkit", and how long it is; 0: none. */
static size_t
asking_package(lua_State *L, char package[MAX_NAME_BYTES])
{
    lua_Debug at;
    for (int level = 1; level < MAX_LEVELS && lua_getstack(L, level, &at); level++) {
        if (!lua_getinfo(L, "S", &at)) break;
        if (*at.what == 'C') continue;
        if (at.source[0] != '@' || at.source[1] != '@') break;
        const char *name = at.source + 2;
        size_t publisher = strcspn(name, "/");
        size_t len = name[publisher] ? publisher + 1 + strcspn(name + publisher + 1, "/") : 0;
        if (len == 0 || len >= MAX_NAME_BYTES) break;
        memcpy(package, name, len);
        package[len] = '\0';
        return len;
    }
    return 0;
}

static int
b_require(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    const char *name = luaL_checkstring(L, 1);
    char package[MAX_NAME_BYTES], full[FULL_NAME_BYTES];
    if (strlen(name) != lua_rawlen(L, 1) || !sy__safe_name(name))
        return luaL_error(L, "'%s' is no module name: words joined by dots, never a path", name);
    if (asking_package(L, package)) {
        (void)snprintf(full, sizeof full, "%s:%s", package, name);
        name = full;
    }
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
