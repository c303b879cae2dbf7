/*
 * fs_trusted.c: what trusted Lua has beside the functions of fs.c.
 *
 *     realpath(path) → path                lstat(path), as stat, of a link itself     readlink(path) → text
 *     symlink(target, path) → true         chmod(path, mode) → true                   access(path, "rwx") → boolean
 *     rename(from, to) → true              mkdir_p(path) → true                       rmtree(path) → true
 *     tempfile([dir[, prefix]]) → path     tempdir([dir[, prefix]]) → path            cwd() → path
 *     dirname(path), basename(path), join(part, …)
 */
#include "bind/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TREE_DEPTH = 256 };

static int
yes(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int
l_realpath(lua_State *L)
{
    char real[PATH_MAX];
    const char *path = sy__fs_path(L, 1);
    if (!realpath(path, real)) return sy__fs_fail(L, errno, "resolve", path);
    lua_pushstring(L, real);
    return 1;
}

static int
l_lstat(lua_State *L)
{
    struct stat st;
    const char *path = sy__fs_path(L, 1);
    if (lstat(path, &st) != 0) return sy__fs_fail(L, errno, "look at", path);
    sy__fs_push_stat(L, &st);
    return 1;
}

static int
l_readlink(lua_State *L)
{
    char target[PATH_MAX];
    const char *path = sy__fs_path(L, 1);
    ssize_t n = readlink(path, target, sizeof target);
    if (n < 0) return sy__fs_fail(L, errno, "read the link", path);
    lua_pushlstring(L, target, (size_t)n);
    return 1;
}

static int
l_symlink(lua_State *L)
{
    const char *target = sy__fs_path(L, 1), *path = sy__fs_path(L, 2);
    return symlink(target, path) == 0 ? yes(L) : sy__fs_fail(L, errno, "make the link", path);
}

static int
l_chmod(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    lua_Integer mode = luaL_checkinteger(L, 2);
    return chmod(path, (mode_t)(mode & 07777)) == 0 ? yes(L) : sy__fs_fail(L, errno, "change", path);
}

static int
l_access(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    int mode = F_OK;
    for (const char *p = luaL_optstring(L, 2, ""); *p; p++) {
        if (!strchr("rwx", *p)) return luaL_argerror(L, 2, "made of r, w and x");
        mode |= *p == 'r' ? R_OK : *p == 'w' ? W_OK : X_OK;
    }
    lua_pushboolean(L, faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0);
    return 1;
}

static int
l_rename(lua_State *L)
{
    const char *from = sy__fs_path(L, 1), *to = sy__fs_path(L, 2);
    return rename(from, to) == 0 ? yes(L) : sy__fs_fail(L, errno, "rename", from);
}

static int
l_cwd(lua_State *L)
{
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path)) return sy__fs_fail(L, errno, "name", ".");
    lua_pushstring(L, path);
    return 1;
}

/* Pushes "dir/prefixXXXXXX"; the userdata's text may be changed. */
static char *
push_template(lua_State *L)
{
    const char *tmp = getenv("TMPDIR"), *dir = luaL_optstring(L, 1, tmp && *tmp ? tmp : "/tmp");
    const char *prefix = luaL_optstring(L, 2, "sy-");
    luaL_argcheck(L, !strchr(prefix, '/'), 2, "a prefix without slashes is expected");
    size_t size = strlen(dir) + strlen(prefix) + sizeof "/XXXXXX";
    char *path = lua_newuserdatauv(L, size, 0);
    (void)snprintf(path, size, "%s/%sXXXXXX", dir, prefix);
    return path;
}

static int
l_tempfile(lua_State *L)
{
    char *path = push_template(L);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return sy__fs_fail(L, errno, "make", path);
    (void)close(fd);
    lua_pushstring(L, path);
    return 1;
}

static int
l_tempdir(lua_State *L)
{
    char *path = push_template(L);
    if (!mkdtemp(path)) return sy__fs_fail(L, errno, "make", path);
    lua_pushstring(L, path);
    return 1;
}

/* ---- removing a tree ---- */

static int remove_entry(int folder, const char *name, int depth);

/* Removes what is in the folder; takes `fd`. 0 or an errno. */
static int
empty_folder(int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int failed = errno;
        (void)close(fd);
        return failed;
    }
    int why = 0;
    const struct dirent *entry;
    while (!why && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            why = remove_entry(dirfd(dir), entry->d_name, depth + 1);
    (void)closedir(dir);
    return why;
}

/* A link is removed, never followed. */
static int
remove_entry(int folder, const char *name, int depth)
{
    if (unlinkat(folder, name, 0) == 0) return 0;
    if (errno != EISDIR && errno != EPERM) return errno;
    if (depth > MAX_TREE_DEPTH) return ELOOP;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno;
    int why = empty_folder(fd, depth);
    if (why) return why;
    return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

static int
l_rmtree(lua_State *L)
{
    const char *path = sy__fs_path(L, 1), *name;
    sy__error err;
    int folder = sy__fs_open_parent(L, SY__WRITE, path, &name, &err);
    if (folder < 0) return sy__lib_error(L, &err);
    int why = remove_entry(folder, name, 0);
    (void)close(folder);
    return why && why != ENOENT ? sy__fs_fail(L, why, "remove", path) : yes(L);
}

/* ---- path text ---- */

static int
l_dirname(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    while (len > 1 && path[len - 1] == '/') len--;
    while (len > 0 && path[len - 1] != '/') len--;
    while (len > 1 && path[len - 1] == '/') len--;
    if (len == 0)
        lua_pushliteral(L, ".");
    else
        lua_pushlstring(L, path, len);
    return 1;
}

static int
l_basename(lua_State *L)
{
    size_t len, from;
    const char *path = luaL_checklstring(L, 1, &len);
    while (len > 1 && path[len - 1] == '/') len--;
    for (from = len; from > 0 && path[from - 1] != '/'; from--) continue;
    if (from == len && len > 0) from = 0; /* "/" */
    lua_pushlstring(L, path + from, len - from);
    return 1;
}

/* An absolute part starts anew. */
static int
l_join(lua_State *L)
{
    int count = lua_gettop(L), from = 1;
    for (int i = 1; i <= count; i++)
        if (*luaL_checkstring(L, i) == '/') from = i;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    bool slash = true;
    for (int i = from; i <= count; i++) {
        size_t len;
        const char *part = lua_tolstring(L, i, &len);
        if (len == 0) continue;
        if (!slash) luaL_addchar(&b, '/');
        luaL_addlstring(&b, part, len);
        slash = part[len - 1] == '/';
    }
    luaL_pushresult(&b);
    return 1;
}

void
sy__fs_add_trusted(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"access", l_access},     {"basename", l_basename}, {"chmod", l_chmod},   {"cwd", l_cwd},
        {"dirname", l_dirname},   {"join", l_join},         {"lstat", l_lstat},   {"readlink", l_readlink},
        {"realpath", l_realpath}, {"rename", l_rename},     {"rmtree", l_rmtree}, {"symlink", l_symlink},
        {"tempdir", l_tempdir},   {"tempfile", l_tempfile}, {NULL, NULL},
    };
    lua_pushboolean(L, 0);
    luaL_setfuncs(L, functions, 1);
    lua_getfield(L, -1, "mkdir");
    lua_setfield(L, -2, "mkdir_p");
}
