/*
 * trusted.c: opens a trusted state and gives it the searcher for our own modules.
 *
 * The searcher is a C closure over one userdata that holds the options; it tries three patterns and
 * loads text only, under the name the file has in the tree ("@lua/cli/main.lua").
 */
#include "bind/trusted.h"

#include "bind/modules.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };

typedef struct searcher {
    sy__source_fn source;
    void *source_ud;
    bool has_root; /* the root itself is the closure's second upvalue */
} searcher;

static void *
lua_memory(void *ud, void *ptr, size_t old_bytes, size_t bytes)
{
    const sy__alloc *alloc = ud;
    (void)old_bytes;
    if (bytes > 0) return alloc->fn(alloc->ud, ptr, bytes);
    sy__free(alloc, ptr);
    return NULL;
}

/* Reads exactly `size` bytes of a file; calls no Lua while the descriptor is open. */
static bool
read_file(const char *path, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    if (fd < 0) return false;
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n <= 0) break;
        got += (size_t)n;
    }
    (void)close(fd);
    return got == size;
}

/* The file below the root; its bytes stay on the Lua stack as a userdata. */
static bool
read_tree(lua_State *L, const char *path, const char **data, size_t *size)
{
    struct stat st;
    const char *full = lua_pushfstring(L, "%s/%s", lua_tostring(L, lua_upvalueindex(2)), path);
    if (stat(full, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    char *bytes = lua_newuserdatauv(L, (size_t)st.st_size + 1, 0);
    if (!read_file(full, bytes, (size_t)st.st_size)) return luaL_error(L, "cannot read %s", full);
    *data = bytes;
    *size = (size_t)st.st_size;
    return true;
}

static bool
find(lua_State *L, const searcher *s, const char *path, const char **data, size_t *size)
{
    if (s->has_root) return read_tree(L, path, data, size);
    return s->source && s->source(s->source_ud, path, data, size);
}

/* "cli.main" becomes "cli/main"; false when the name is none of ours. */
static bool
name_to_path(const char *name, char *path)
{
    size_t len = strlen(name);
    if (len >= NAME_BYTES || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len) {
        return false;
    }
    for (size_t i = 0; i <= len; i++) path[i] = name[i];
    for (char *p = path; (p = strchr(p, '.')); p++) *p = '/';
    return true;
}

static int
search(lua_State *L)
{
    static const char *const patterns[] = {"lua/%s.lua", "lua/%s/init.lua", "stdlib/%s.lua"};
    const searcher *s = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1), *data = NULL;
    char middle[NAME_BYTES];
    size_t size = 0;
    for (size_t i = 0; name_to_path(name, middle) && i < sizeof patterns / sizeof *patterns; i++) {
        const char *path = lua_pushfstring(L, patterns[i], middle);
        if (!find(L, s, path, &data, &size)) continue;
        if (luaL_loadbufferx(L, data, size, lua_pushfstring(L, "@%s", path), "t") != LUA_OK) return lua_error(L);
        lua_pushstring(L, path);
        return 2;
    }
    lua_pushfstring(L, "no file lua/%s.lua, lua/%s/init.lua or stdlib/%s.lua", name, name, name);
    return 1;
}

/* package.searchers = {preload, ours, the standard ones, which find nothing} */
static void
add_searcher(lua_State *L, const sy__trusted_options *o)
{
    lua_getglobal(L, "package");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
        lua_geti(L, -1, i);
        lua_seti(L, -2, i + 1);
    }
    searcher *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (searcher){.source = o->source, .source_ud = o->source_ud, .has_root = o->root != NULL};
    lua_pushstring(L, o->root);
    lua_pushcclosure(L, search, 2);
    lua_seti(L, -2, 2);
    lua_pop(L, 2);
}

static int
open_state(lua_State *L)
{
    const sy__trusted_options *o = lua_touserdata(L, 1);
    luaL_openlibs(L);
    sy__modules_preload(L);
    add_searcher(L, o);
    return 0;
}

int
sy__trusted_new(lua_State **out, const sy__trusted_options *o, sy__error *err)
{
    *out = NULL;
    lua_State *L = lua_newstate(lua_memory, (void *)(uintptr_t)o->alloc);
    if (!L) return sy__error_set(err, SY_ENOMEM, "no memory for a Lua state");
    lua_pushcfunction(L, open_state);
    lua_pushlightuserdata(L, (void *)(uintptr_t)o);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        int code = sy__error_set(err, SY_ENOMEM, "cannot open Lua: %s", lua_tostring(L, -1));
        lua_close(L);
        return code;
    }
    *out = L;
    return SY_OK;
}
